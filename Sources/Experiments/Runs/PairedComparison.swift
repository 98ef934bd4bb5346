// SPDX-License-Identifier: GPL-3.0-or-later
import Statistics

/// Two cells run with the same seeds, in the same section and precision: first minus second.
public struct PairedComparison: Sendable {
    public let first, second: RunGroup
    /// The seeds that both have, ascending. Runs of other seeds play no part.
    public let seeds: [UInt64]
    /// Top-1 of the first minus that of the second, in points, by seed.
    public let differences: [Double]
    /// By seed: the images that only the first, and only the second gets right, and McNemar's exact test; nil where the
    /// outcomes of one of the two are missing.
    public let mcNemar: [(onlyFirst: Int, onlySecond: Int, test: TestResult)?]

    /// - Parameters:
    ///   - first: the minuend.
    ///   - second: the subtrahend.
    ///   - outcomes: of a run, image by image; nil when there are none.
    /// - Returns: nil when the groups share no seed or differ in section, precision or number of test images, or when one diverged.
    public init?(_ first: RunGroup, _ second: RunGroup, outcomes: (RunRow) throws -> ImageOutcomes?) rethrows {
        guard Section(first.first) == Section(second.first), first.precision == second.precision,
            first.first.testImages == second.first.testImages
        else { return nil }
        let pairs = first.runs.compactMap { run in second.runs.first { $0.seed == run.seed }.map { (run, $0) } }
        guard !pairs.isEmpty else { return nil }
        (self.first, self.second) = (first, second)
        seeds = pairs.map(\.0.seed)
        // From the counts: equal differences are equal to the last bit.
        differences = pairs.compactMap { first, second in
            first.correctFinal.flatMap { count in second.correctFinal.map { 100 * Double(count - $0) / Double(first.testImages) } }
        }
        guard differences.count == pairs.count else { return nil }
        mcNemar = try pairs.map { a, b in
            guard let a = try outcomes(a)?.correct, let b = try outcomes(b)?.correct else { return nil }
            let onlyFirst = zip(a, b).count { $0 && !$1 }, onlySecond = zip(a, b).count { !$0 && $1 }
            return (onlyFirst, onlySecond, mcNemarExact(onlyFirst: onlyFirst, onlySecond: onlySecond))
        }
    }

    /// Mean of `differences`.
    public var difference: Double { differences.reduce(0, +) / Double(differences.count) }
    /// Student's 95 % interval of the mean difference, and the paired t test that it is 0; nil for one seed, and where all seeds
    /// have the same difference.
    public var interval: Interval? { seeds.count > 1 ? studentInterval(differences).interval : nil }
    public var tTest: TestResult? { seeds.count > 1 ? Statistics.tTest(differences) : nil }
}
