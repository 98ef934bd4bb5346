// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Files

/// A set of instructions that kernels were written or compiled for, by the name that the environment variable BCGD_ISA knows
/// it by: portable, avx2, avxvnni, avx512, avx512vnni, avx512vbmi, avx512bf16; on arm64 portable, neon, dotprod, i8mm.
///
/// BCGD_ISA only takes instructions away: `BCGD_ISA=avx2` runs what a processor without AVX-512 would run.
public struct InstructionSet: Hashable, Sendable, CustomStringConvertible {
    private let isa: ck_isa

    public var description: String { String(cString: ck_isa_name(isa)) }

    private static let all = (0..<CK_ISA_COUNT.rawValue).map { InstructionSet(isa: ck_isa($0)) }

    /// Those that kernels called from this thread may use, the plainest first.
    public static var available: [InstructionSet] {
        let features = ck_features()
        return all.filter { ck_isa_features($0.isa) & ~features == 0 }
    }

    /// The last of them: what kernels use.
    public static var best: InstructionSet { available.last ?? InstructionSet(isa: CK_PORTABLE) }

    /// Runs `body` with kernels held to this set, those that it calls from this thread: for tests.
    public func limit<Result>(_ body: () throws -> Result) rethrows -> Result {
        let before = ck_limit_thread(isa)
        defer { _ = ck_limit_thread(before) }
        return try body()
    }

    /// To be called at a program's start.
    /// - Throws: `FileError` where BCGD_ISA names no set.
    public static func checkEnvironment() throws {
        guard let unknown = ck_unknown_isa() else { return }
        let names = all.map(\.description).joined(separator: ", ")
        throw FileError("the environment variable BCGD_ISA must be one of \(names), not \"\(String(cString: unknown))\"")
    }
}
