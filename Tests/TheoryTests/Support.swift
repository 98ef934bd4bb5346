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
