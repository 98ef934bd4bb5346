// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// The Monte Carlo passes that the measured claims share: at each point two independent halves.
public struct Measurements: Sendable {
    /// What claims may need of them.
    package enum Part: Sendable { case model, rows, bits }

    struct Place: Sendable {
        let label: String
        let first: Estimates
        let second: Estimates
        let merged: Estimates
        var point: TwoLayerPoint { merged.point }
    }

    var places: [Place] = []
    var rows: [(RowLaw, Estimates)] = []
    var levels: [LevelEstimates] = []
    /// Of all passes.
    var samples: Int {
        places.reduce(0) { $0 + $1.merged.samples }
            + rows.reduce(0) { $0 + $1.1.samples } + levels.reduce(0) { $0 + $1.blocks.count * MonteCarlo.blockSize }
    }
    /// Places of the θ sweep at the first dimensions, for the figure: a prefix of `places`.
    static let sweepCount = 12

    /// The points of a run: a sweep over θ with the weights fixed, then four angles at each further (m, n).
    static func points(_ settings: VerificationSettings) -> [(label: String, point: TwoLayerPoint)] {
        var result: [(String, TwoLayerPoint)] = []
        for (index, size) in settings.dimensions.enumerated() {
            let angles =
                index == 0
                ? (0..<sweepCount).map { Double.pi * (Double($0) + 0.5) / Double(sweepCount) } : [0.3, 1.2, .pi / 2, 2.6]
            for (k, theta) in angles.enumerated() {
                let label = "\(size), θ = \(String(format: "%.3f", theta))"
                result.append((label, point(settings, index, theta: theta, trial: index == 0 ? nil : k)))
            }
        }
        return result
    }

    /// A random point at the dimensions number `index`; without `trial` the sweep's, where only θ changes and ‖w‖ = 1.
    static func point(_ settings: VerificationSettings, _ index: Int, theta: Double, trial: Int?) -> TwoLayerPoint {
        let size = settings.dimensions[index]
        var stream = Purpose.points.stream(settings.seed, index << 8 | (trial ?? 0))
        let vStar = stream.normals(size.m)
        let v = added(scaled(vStar, by: 0.6), 0.8, stream.normals(size.m))
        let wStar = stream.direction(size.n)
        let length = trial == nil ? 1 : 0.5 + 1.5 * stream.uniform()
        return TwoLayerPoint(v: v, vStar: vStar, w: scaled(stream.direction(at: theta, from: wStar), by: length), wStar: wStar)
    }

    /// Measures one point.
    static func measure(_ settings: VerificationSettings, label: String, point: TwoLayerPoint, experiment: UInt32) throws -> Place {
        let sampler = MonteCarlo(seed: settings.seed, threads: settings.threads, collective: settings.collective)
        let half = (settings.samples + 1) / 2
        let blocks = (half + MonteCarlo.blockSize - 1) / MonteCarlo.blockSize
        let first = try sampler.estimate(point, samples: half, experiment: experiment)
        let second = try sampler.estimate(point, samples: half, experiment: experiment, firstBlock: max(2, blocks))
        return Place(label: label, first: first, second: second, merged: first.merged(second))
    }
}

extension Estimates {
    /// Hotelling's test of a measured loss or gradient against a value; ∂f/∂w in coordinates orthogonal to w.
    func test(_ quantity: Quantity, expected: [Double]) throws -> TestResult {
        let (moments, expected) = testable(quantity, expected)
        return try hotellingTest(moments, expected: expected)
    }

    func testable(_ quantity: Quantity, _ vector: [Double]) -> (SampleMoments, [Double]) {
        guard quantity == .gradientW else { return (moments(quantity), vector) }
        let basis = tangentCoordinates(point.u)
        return (moments(quantity).mapped(by: basis), basis * vector)
    }
}
