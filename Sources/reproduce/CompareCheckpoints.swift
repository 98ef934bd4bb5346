// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments
import Files

struct CompareCheckpoints: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare-checkpoints",
        abstract: "Compares two checkpoints, or those of two output folders, bit for bit: tensors, curves, where the runs stand.",
        discussion: "Times do not count. The exit status is 0 when all are equal, 1 when they are not.")

    @Argument(help: "A checkpoint, or a folder with checkpoints.") var first: String
    @Argument(help: "The other one.") var second: String

    func run() throws {
        let comparison = try CheckpointComparison(first, second)
        comparison.lines.forEach { say($0) }
        if !comparison.areEqual { throw ExitCode(1) }
    }
}
