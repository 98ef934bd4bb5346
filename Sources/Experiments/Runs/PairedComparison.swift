// SPDX-License-Identifier: GPL-3.0-or-later
import Statistics

/// Two cells run with the same seeds, in the same section and precision: first minus second.
public struct PairedComparison: Sendable {
    /// After `joined`, any of the groups.
    public let first, second: RunGroup
    /// The seeds that both have, ascending. Runs of other seeds play no part.
    public private(set) var seeds: [UInt64]
    /// Top-1 of the first minus that of the second, in points, by seed.
    public private(set) var differences: [Double]
    /// By seed: the images that only the first, and only the second gets right, and McNemar's exact test; nil where the
    /// outcomes of one of the two are missing.
    public private(set) var mcNemar: [(onlyFirst: Int, onlySecond: Int, test: TestResult)?]

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
            guard let a = try outcomes(a), let b = try outcomes(b) else { return nil }
            return a.mcNemar(b)
        }
    }

    /// Comparisons of the same two cells whose runs are of several recipes, such as from float runs in two precisions: those in one
    /// precision and with as many epochs become one, where no seed comes twice. A seed's difference stays that of two runs of its own.
    static func joined(_ parts: [PairedComparison]) -> [PairedComparison] {
        func isAlike(_ a: PairedComparison, _ b: PairedComparison) -> Bool {
            a.first.precision == b.first.precision && a.first.first.epochs == b.first.first.epochs
        }
        return parts.reduce(into: []) { joined, part in
            let alike = parts.filter { isAlike($0, part) }
            guard Set(alike.flatMap(\.seeds)).count == alike.map(\.seeds.count).reduce(0, +) else { return joined.append(part) }
            guard !joined.contains(where: { isAlike($0, part) }) else { return }
            let order = alike.flatMap { zip($0.seeds, zip($0.differences, $0.mcNemar)) }.sorted { $0.0 < $1.0 }
            var all = part
            (all.seeds, all.differences, all.mcNemar) = (order.map(\.0), order.map(\.1.0), order.map(\.1.1))
            joined.append(all)
        }
    }

    /// Mean of `differences`.
    public var difference: Double { differences.reduce(0, +) / Double(differences.count) }
    /// Student's 95 % interval of the mean difference, and the paired t test that it is 0; nil for one seed, and where all seeds
    /// have the same difference.
    public var interval: Interval? { seeds.count > 1 ? studentInterval(differences).interval : nil }
    public var tTest: TestResult? { seeds.count > 1 ? Statistics.tTest(differences) : nil }
}
