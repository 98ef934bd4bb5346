// SPDX-License-Identifier: GPL-3.0-or-later
import Collectives
import Foundation
import Statistics

/// A statement of the theory and the procedure that tries to refute it.
public struct Claim: Sendable {
    public let id: String
    public let group: Group
    /// What is claimed; where the literature's statement is false, the repaired one.
    public let statement: String
    /// The literature's statement where it is false, or what one would expect of it beyond one bit.
    public let printed: String?
    public let verdict: Verdict
    public let proof: Proof
    /// Paper section or METHOD.md item.
    public let source: String
    /// How it is checked.
    public let method: String
    /// The shared Monte Carlo measurements that are needed.
    let needs: Set<Measurements.Part>
    /// Broken formulas that must be rejected, for `--power`.
    public let faults: [Fault]
    /// The proof, where it is ours, in Markdown; no number in it was measured.
    public let argument: String?
    let check: @Sendable (VerificationSettings, Measurements, Formulas) throws -> Evidence

    /// - Parameter printed: given, the claim is that this is false: `check` must find the counterexample again.
    package init(
        id: String, group: Group = .model, statement: String, printed: String? = nil, beyondOneBit: Bool = false, constants: Bool = false,
        proof: Proof = .cited, source: String, method: String, needs: Set<Measurements.Part> = [], faults: [Fault] = [],
        argument: String? = nil,
        check: @escaping @Sendable (VerificationSettings, Measurements, Formulas) throws -> Evidence
    ) {
        (self.id, self.group, self.statement, self.printed, self.proof) = (id, group, statement, printed, proof)
        verdict = printed != nil ? (beyondOneBit ? .falseBeyondOneBit : .falseAsPrinted) : constants ? .holdsWithConstants : .holds
        (self.source, self.method, self.needs, self.faults, self.argument, self.check) = (source, method, needs, faults, argument, check)
    }

    /// Names that `--claims` takes beside the identifiers.
    public enum Group: String, CaseIterable, Sendable { case model, literature, bits, descent }

    /// What became of a statement of the literature.
    public enum Verdict: String, Sendable {
        case holds
        case holdsWithConstants = "holds with these constants"
        case falseAsPrinted = "false as printed"
        case falseBeyondOneBit = "false beyond one bit"
    }

    /// Where the statement's proof stands.
    public enum Proof: String, Sendable {
        case cited = "in the source"
        case ours = "proven here"
        case continuous = "proven here in continuous time only"
        case measured = "measured only"
        /// The mark of the report: [P], [C] and [M].
        public var mark: String {
            switch self {
            case .cited: ""
            case .ours: "[P]"
            case .continuous: "[C]"
            case .measured: "[M]"
            }
        }
    }
}

/// What a check found.
public struct Evidence: Sendable {
    /// Statistical tests whose false alarms count.
    public var tests: [ClaimTest] = []
    /// Outright contradictions of a deterministic statement; each names the place and the size.
    public var violations: [String] = []
    /// Where the statement as printed fails, with the numbers; must be found where it is called false.
    public var counterexample: String?
    /// What was measured, in one line.
    public var summary = ""
    /// The smallest relative error that tests at level `alpha` catch with probability `power`, where that is defined.
    public var detectable: (@Sendable (_ alpha: Double, _ power: Double) throws -> Double)?
    /// What the check would catch, where `detectable` does not say it: deterministic, so at any probability.
    public var catches: String?
    /// Numbers behind the figures.
    public var tables: [DataTable] = []

    package init() {}
}

/// One test of the family.
public struct ClaimTest: Sendable {
    public let label: String
    public let result: TestResult
}

extension Evidence {
    /// Notes a contradiction; three of a kind are enough to read.
    mutating func expect(_ holds: Bool, _ violation: @autoclosure () -> String) {
        if !holds && violations.count < 3 { violations.append(violation()) }
    }
}

/// The larger of two deviations; what is no number exceeds every tolerance, where `max` would pass over it.
func worse(_ a: Double, _ b: Double) -> Double { b.isNaN ? .infinity : max(a, b) }

extension Collection<Double> {
    /// The largest deviation; ∞ where there is none, as then nothing was looked at.
    var worst: Double { isEmpty ? .infinity : reduce(-.infinity, worse) }
}

/// Columns of numbers, in blocks (curves), for a figure or a file.
public struct DataTable: Sendable {
    public let name: String
    public let columns: [String]
    public var blocks: [[[Double]]]
}

/// Size, seed and error level of a verification run.
public struct VerificationSettings: Sendable {
    /// Samples at each point, both independent halves together.
    public var samples: Int
    public var seed: UInt64
    public var threads: Int
    /// (m, n) of the measured points; the first is swept over θ.
    public var dimensions: [Dimensions]
    /// Probability of any false alarm in the whole run (Holm).
    public var level: Double
    /// The processes that share the measurements.
    public var collective: any Collective

    public init(
        samples: Int = 1 << 25, seed: UInt64 = 1, threads: Int, dimensions: [Dimensions] = Dimensions.standard, level: Double = 1e-6,
        collective: any Collective = Alone()
    ) {
        self.collective = collective
        (self.samples, self.seed, self.threads, self.dimensions, self.level) = (samples, seed, threads, dimensions, level)
    }
}

/// Hidden units m and inputs n.
public struct Dimensions: Equatable, Sendable, CustomStringConvertible {
    public let m: Int
    public let n: Int
    public init(m: Int, n: Int) { (self.m, self.n) = (m, n) }
    public var description: String { "\(m)x\(n)" }
    public static let standard = [Dimensions(m: 4, n: 6), Dimensions(m: 2, n: 3), Dimensions(m: 8, n: 12), Dimensions(m: 12, n: 16)]
}

/// Streams of random numbers, one family a purpose, so that no two checks share any.
enum Purpose: UInt64 {
    case points = 1, critical, descent, collapse, identity, miniBatch, blending, search
    case landscape, lipschitz, lemma5, lemma7, stepSize, stepRuns, rows, figure1, norm, basins, cure, shares, threshold
    case bits, bitsIdentity, bitsAngle, bitsSigns, network, weightDecay, momentum, inexact

    /// Stream `index` of this purpose.
    func stream(_ seed: UInt64, _ index: Int) -> Philox { Philox(seed: seed, stream: rawValue << 48 | UInt64(index)) }
    /// The Monte Carlo experiment number `index` of this purpose.
    func experiment(_ index: Int) -> UInt32 { UInt32(rawValue) << 24 | UInt32(index) }
}

extension Philox {
    /// `count` independent N(0,1) numbers.
    mutating func normals(_ count: Int) -> [Double] { (0..<count).map { _ in normal() } }

    /// A point uniform on the unit sphere.
    package mutating func direction(_ count: Int) -> [Double] {
        let x = normals(count)
        return scaled(x, by: 1 / norm(x))
    }

    /// The angle of such a point from a fixed axis.
    mutating func angle(_ count: Int) -> Double {
        let axis = [1.0] + [Double](repeating: 0, count: count - 1), direction = direction(count)
        return 2 * atan2(norm(added(direction, -1, axis)), norm(added(direction, 1, axis)))
    }

    /// A unit vector at the angle `theta` from the unit vector `axis`, uniform among those.
    package mutating func direction(at theta: Double, from axis: [Double]) -> [Double] {
        let x = normals(axis.count)
        let across = added(x, -dot(x, axis), axis)
        return added(scaled(axis, by: cos(theta)), sin(theta) / norm(across), across)
    }
}
