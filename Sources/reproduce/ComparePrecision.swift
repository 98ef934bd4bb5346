// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments

struct ComparePrecision: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares the gradients of mixed precision with those of f32 at trained networks; trains nothing.",
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

    @OptionGroup var computing: ThreadOptions

    @Option(help: ArgumentHelp("The table, a CSV file; rows of these checkpoints replace those in it.", valueName: "file"))
    var out = "runs/precision/gradients.csv"

    func validate() throws {
        guard (2...10_000).contains(batches) else { throw ValidationError("--batches must be 2 to 10000, not \(batches)") }
    }

    func run() throws {
        let dataset = try images.load()
        let table = try GradientTable(out, threads: computing.threads.count, invocation: .current)
        try table.record(checkpoints, on: dataset, batches: batches)
    }
}
