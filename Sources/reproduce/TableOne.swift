// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Foundation
import Networks
import Reporting
import Training

struct TableOne: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table1",
        abstract: "Trains the cells of table 1 and writes the table, the learning curves and their figure.",
        discussion: """
            Each quantized cell starts from the float run of the same network, data set and seed, which is trained first. \
            Finished runs and checkpoints are kept in the output folder: Ctrl-C, then the same command with --resume, \
            goes on where it stopped.
            """)

    @OptionGroup var experiment: ExperimentOptions
    @OptionGroup var images: DataOptions

    @Option(help: ArgumentHelp("Only these cells, and the float runs they need (see `reproduce list`).", valueName: "cell,…"))
    var only: String?

    @Option(help: ArgumentHelp("Seeds; every cell is run once with each.", valueName: "seed,…"))
    var seeds = "1"

    @Option(help: "Threads that compute (default: all processors).")
    var threads = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: "Arithmetic of quantized training: f32, or mixed (exact integers forward, bf16 gradients backward).")
    var precision = Precision.f32

    @Option(help: ArgumentHelp("Output folder.", valueName: "dir"))
    var out = "results"

    @Flag(help: "Keep what the output folder holds of these runs, and go on.")
    var resume = false

    func validate() throws {
        guard (1...256).contains(threads) else { throw ValidationError("--threads must be 1 to 256, not \(threads)") }
        _ = try seedList()
        if let only, split(only).isEmpty { throw ValidationError("--only must name a cell; `reproduce list` shows them") }
    }

    func run() throws {
        let table = try experiment.table("table1")
        let cells = try table.selection(only.map(split))
        let stop = StopRequest()
        let signals = StopSignals(stop)
        defer { withExtendedLifetime(signals) {} }
        let runner = TableRunner(
            table: table, dataset: try images.load(), threads: threads, precision: precision, reported: try experiment.reported(),
            output: try OutputFolder(out), stop: stop)
        try runner.run(cells, seeds: try seedList(), resume: resume)
        if stop.isMade {
            print("stopped; everything is saved in \(out): the same command with --resume goes on")
            throw ExitCode(130)
        }
    }

    private func seedList() throws -> [UInt64] {
        let list = try split(seeds).map { text in
            guard let seed = UInt64(text) else { throw ValidationError("--seeds must be whole numbers such as 1,2,3, not \(text)") }
            return seed
        }
        guard !list.isEmpty, Set(list).count == list.count else { throw ValidationError("--seeds must name each seed once") }
        return list
    }
}
