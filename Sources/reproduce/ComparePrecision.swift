// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import Datasets
import Experiments
import Training

struct ComparePrecision: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares the gradients of mixed precision, or of s16, with those of f32 at trained networks; trains nothing.",
        discussion: """
            For every parameter, over the first mini-batches of the next epoch, each relative to the gradient: the error of mixed \
            precision, the noise (what choosing other images changes), the slope (whether mixed precision shrinks or stretches the \
            gradient, with its 95 % interval over mini-batches), and the drift (1 when the errors of different mini-batches are \
            independent, √B when they are the same B times).
            """)

    @Argument(help: ArgumentHelp("Checkpoints of runs on one data set.", valueName: "checkpoint"))
    var checkpoints: [String]

    @OptionGroup var images: DataOptions

    @Option(help: "Mini-batches, 2 or more.") var batches = 20

    @Option(help: "What is compared with f32: mixed or s16.") var precision = Precision.mixed

    @OptionGroup var computing: ThreadOptions

    @Option(
        help: ArgumentHelp(
            "The table, a CSV file of one precision; rows of these checkpoints replace those in it (default: runs/precision/gradients.csv, "
                + "gradients-s16.csv for s16).", valueName: "file"))
    var out: String?

    func validate() throws {
        guard (2...10_000).contains(batches) else { throw ValidationError("--batches must be 2 to 10000, not \(batches)") }
        guard precision != .f32 else { throw ValidationError("--precision must be mixed or s16: f32 is what they are compared with") }
    }

    func run() throws {
        let first = try checkpoints.first.map { try Checkpoint(path: $0).description().dataset }
        let dataset = try images.load(images.asked ?? first.flatMap { DatasetID($0).known } ?? images.dataset)
        let out = out ?? "runs/precision/gradients\(precision == .mixed ? "" : "-\(precision.rawValue)").csv"
        let table = try GradientTable(out, precision, threads: computing.threads.count, invocation: .current)
        try table.record(checkpoints, on: dataset, batches: batches)
    }
}
