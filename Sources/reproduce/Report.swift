// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments
import Files
import Foundation

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Rebuilds every table and figure and the README's results from the CSVs alone; trains nothing.")

    @Option(help: ArgumentHelp("Output folder of the runs: results is what is committed, runs what your own runs wrote.", valueName: "dir"))
    var out = "results"

    @OptionGroup var recipes: RecipeOptions

    @OptionGroup var images: DataOptions

    @OptionGroup var computing: ThreadOptions

    @Option(
        help: ArgumentHelp(
            "File whose results block is rewritten (default: README.md for the folder results, else none).", valueName: "file"))
    var readme: String?

    @Flag(
        help: """
            Change nothing; name the files that would change, and the networks in models/ that get other test images right than their \
            runs, where there are the images; fail if there are any.
            """)
    var check = false

    func validate() throws {
        if let option = images.givenBesidesFolder { throw ValidationError("rows say what they were trained on: leave \(option) out") }
        let option = images.data != nil ? "--data" : computing.asked != nil ? "--threads" : nil
        if let option, !check { throw ValidationError("\(option) is for --check, which runs networks: add that, or leave it out") }
    }

    /// However it is spelled.
    private var isResults: Bool {
        URL(fileURLWithPath: out).standardizedFileURL.path == URL(fileURLWithPath: "results").standardizedFileURL.path
    }

    func run() throws {
        let output = try OutputFolder(existing: out)
        func reported() throws -> [String] {
            let files = try ResultFiles(output, experiments: recipes.folder)
            let page = try (readme ?? (isResults ? "README.md" : nil)).map { try ResultsBlock(path: $0, results: files.readme) }
            if !check {
                try files.write()
                try page?.write()
            }
            return check ? try files.drift() + (page.flatMap { $0.isCurrent ? nil : [$0.path] } ?? []) : []
        }
        // The rows are read under the lock, too: else a run that ends meanwhile would lose its place in the tables. Where nobody can
        // write, none ends.
        let drift = check && access(out, W_OK) != 0 ? try reported() : try withLock(on: out, reported)
        let faults = check ? try PublishedModels(output: output, images: images, threads: computing.threads.count).faults(tell: say) : []
        let lines = faults + drift.map { "\($0) is not what `reproduce report` makes of \(output.runs)" }
        guard lines.isEmpty else {
            print(lines.joined(separator: "\n"))
            throw ExitCode(1)
        }
    }
}
