// SPDX-License-Identifier: GPL-3.0-or-later
import Theory
import Foundation
import Statistics

func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
func distance(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot() }

/// A random point with the angle `theta` between w and w*.
func randomPoint(m: Int, n: Int, theta: Double, length: Double, seed: UInt64) -> TwoLayerPoint {
    var stream = Philox(seed: seed, stream: 1)
    func normals(_ count: Int) -> [Double] { (0..<count).map { _ in stream.normal() } }
    func unit(_ x: [Double]) -> [Double] { x.map { $0 / dot(x, x).squareRoot() } }
    let wStar = unit(normals(n)), raw = normals(n)
    let across = unit(zip(raw, wStar).map { $0 - dot(raw, wStar) * $1 })
    return TwoLayerPoint(
        v: normals(m), vStar: normals(m), w: zip(wStar, across).map { length * (cos(theta) * $0 + sin(theta) * $1) }, wStar: wStar)
}

/// Entries 4b … 4b+3 of sample s: Philox block b + experiment·2³² of stream s, Box–Muller in double (the kernel's header).
func referenceNormals(seed: UInt64, experiment: UInt32, sample: Int, entries: Int) -> [Double] {
    (0..<(entries + 3) / 4).flatMap { block -> [Double] in
        let words = Philox.block(UInt64(block) | UInt64(experiment) << 32, stream: UInt64(sample), seed: seed)
        return [(words.0, words.1), (words.2, words.3)].flatMap { radial, angular -> [Double] in
            let radius = (-2 * log((Double(radial >> 1) + 0.5) * 0x1p-31)).squareRoot()
            // The top two bits are the quadrant; the rest is signed, from −π/4 to π/4.
            let inner = Double(Int32(bitPattern: angular << 2)) * 0x1p-31 * .pi / 4
            let angle = Double(angular >> 30) * .pi / 2 + inner
            return [radius * cos(angle), radius * sin(angle)]
        }
    }.prefix(entries).map { $0 }
}
