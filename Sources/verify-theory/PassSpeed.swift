// SPDX-License-Identifier: GPL-3.0-or-later
import Theory
import Foundation
import Statistics

/// Times one Monte Carlo pass at the first dimensions, the generation of its Gaussian numbers alone, and the pass with 4 bits;
/// prints one JSON object.
func printPassSpeed(_ settings: VerificationSettings) throws {
    let size = settings.dimensions[0]
    var stream = Philox(seed: settings.seed, stream: 0)
    func normals(_ count: Int) -> [Double] { (0..<count).map { _ in stream.normal() } }
    let point = TwoLayerPoint(v: normals(size.m), vStar: normals(size.m), w: normals(size.n), wStar: normals(size.n))
    let sampler = MonteCarlo(seed: settings.seed, threads: settings.threads)
    func rates(_ work: () throws -> Void) rethrows -> (wall: Double, processor: Double) {
        let start = DispatchTime.now().uptimeNanoseconds, processor = clock()
        try work()
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
        return (Double(settings.samples) / seconds, Double(settings.samples) * Double(CLOCKS_PER_SEC) / Double(clock() - processor))
    }
    _ = try sampler.estimate(point, samples: 4096, experiment: 0)  // starts the threads
    let pass = try rates { _ = try sampler.estimate(point, samples: settings.samples, experiment: 0) }
    let generation = rates { _ = sampler.generationOnly(samples: settings.samples, entries: size.m * size.n) }
    let levels = try rates { try sampler.levelPass(point, bits: 4, alpha: 0.2, samples: settings.samples) }
    let parts = [("pass", pass), ("generation", generation), ("levels", levels)].map { "\"\($0.0)\": [\($0.1.wall), \($0.1.processor)]" }
    print("{\(parts.joined(separator: ", "))}")
}
