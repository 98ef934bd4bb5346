// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BuildFacts
import Collectives
import Theory
import Files
import Foundation
import Parallelism

struct VerifyTheory: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify-theory",
        abstract: "Checks the theory of coarse gradient descent claim by claim, and writes theory.csv, theory.md and figures.",
        discussion: """
            Every claim is measured or attacked, never assumed; a statement that is false as printed must be refuted again. One \
            probability of any false alarm (1e-6 unless --level says \
            otherwise) holds for the whole run. The exit status is 0 when no claim is rejected, 1 when one is, 64 for bad options.
            """, version: "\(BuildFacts.commit), instruction set \(InstructionSet.best)")

    @Option(help: ArgumentHelp("Monte Carlo samples at each point.", valueName: "count"))
    var samples = 1 << 25
    @Option(help: ArgumentHelp("Seed of all random numbers.", valueName: "number"))
    var seed: UInt64 = 1
    @Option(help: ArgumentHelp("Threads; results do not depend on it. Default: all processors that may be used.", valueName: "count"))
    var threads: Int?
    @Option(
        help: ArgumentHelp("Processes that share the samples, started by mpirun or srun; results do not depend on it.", valueName: "count"))
    var ranks: Int?
    @Option(
        help: ArgumentHelp(
            "Claims to check, by identifier or group (model, literature, bits, descent), separated by commas. Default: all (see --list).",
            valueName: "ids"))
    var claims: String?
    @Option(help: ArgumentHelp("Hidden units × inputs of the measured points; the first is swept over the angle.", valueName: "MxN,…"))
    var dimensions = Dimensions.standard.map(\.description).joined(separator: ",")
    @Option(help: ArgumentHelp("Probability of any false alarm in the run (Holm).", valueName: "probability"))
    var level = 1e-6
    @Option(help: ArgumentHelp("Folder for theory.csv, theory.md and figures.", valueName: "folder"))
    var out = "runs/theory"
    @Flag(help: "Also break every formula and show that each fault is rejected.")
    var power = false
    @Flag(help: "List the claims and end.")
    var list = false
    @Flag(help: .hidden)  // for Experiments/benchmarks/monte_carlo.py
    var benchmark = false

    func run() throws {
        guard !benchmark else { return try printPassSpeed(try settings()) }
        guard !list else {
            let width = Claim.all.map(\.id.count).max() ?? 0
            for group in Claim.Group.allCases {
                print("\(group.rawValue):")
                for claim in Claim.all where claim.group == group {
                    print(
                        "  " + claim.id.padding(toLength: width + 2, withPad: " ", startingAt: 0)
                            + (claim.printed.map { "false: \($0)" } ?? claim.statement))
                }
            }
            return
        }
        try asRank(of: ranks, isEnd: { $0 is ExitCode }) { try verify($0) }
    }

    private func verify(_ collective: any Collective) throws {
        var settings = try settings()
        settings.collective = collective
        let verification = Verification(settings: settings, claims: try selectedClaims())
        guard collective.isFirst else {
            _ = try verification.run(withPower: false) { _, _, _ in }
            return
        }
        let folder = try ReportFolder(out)  // before the work, so that a bad --out costs no time
        var bar = StepBar()
        let start = Date(), processor = clock()
        let report: Verification.Report
        do {
            report = try verification.run(withPower: power) { bar.show($0, of: $1, next: $2) }
        } catch {
            bar.close()
            throw error
        }
        bar.close()
        let text = TheoryReport(
            verification: verification, report: report, seconds: Date().timeIntervalSince(start),
            processorSeconds: Double(clock() - processor) / Double(CLOCKS_PER_SEC), power: power)
        let written = Result { try folder.write(text) }  // first, as what reads the words may be gone
        say(text.console)
        try written.get()
        say("wrote \(out)/theory.md, theory.csv and figures")
        if text.failed { throw ExitCode(1) }
    }

    func validate() throws {
        if let fault = fault(ofRanks: ranks) { throw ValidationError(fault) }
    }

    private func settings() throws -> VerificationSettings {
        // Below 2¹⁸ there are too few blocks for normal tails at 1e-9; beyond 2³⁴ the f32 samples' own rounding (relative
        // 1e-7) would come near the statistical error.
        guard (1 << 18...1 << 34).contains(samples) else {
            throw ValidationError("--samples expects \(1 << 18) to \(1 << 34), found \(samples)")
        }
        let threads = threads ?? standardThreads()
        guard (1...1024).contains(threads) else { throw ValidationError("--threads expects 1 to 1024, found \(threads)") }
        guard level > 1e-30, level < 0.5 else {
            throw ValidationError("--level expects a probability between 1e-30 and 0.5, found \(level)")
        }
        return VerificationSettings(
            samples: samples, seed: seed, threads: threads, dimensions: try parsedDimensions(), level: level)
    }

    private func parsedDimensions() throws -> [Dimensions] {
        let items = dimensions.split(separator: ",", omittingEmptySubsequences: false)
        return try items.map { item in
            let parts = item.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
            guard parts.count == 2, let m = parts[0], let n = parts[1], (2...64).contains(m), (2...128).contains(n) else {
                throw ValidationError(
                    "--dimensions expects MxN with M from 2 to 64 and N from 2 to 128, such as 4x6,8x12; found \"\(item)\"")
            }
            return Dimensions(m: m, n: n)
        }
    }

    private func selectedClaims() throws -> [Claim] {
        guard let claims else { return Claim.all }
        let asked = claims.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
        if let unknown = asked.first(where: { name in Claim.Group(rawValue: name) == nil && !Claim.all.contains { $0.id == name } }) {
            throw ValidationError("--claims: there is no claim or group \"\(unknown)\"; --list names them all")
        }
        return Claim.all.filter { asked.contains($0.id) || asked.contains($0.group.rawValue) }
    }
}
