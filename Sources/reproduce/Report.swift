// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Files
import Foundation
import Reporting

struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Rebuilds every table and figure and the README's results from the CSVs alone; trains nothing.")

    @Option(help: ArgumentHelp("Output folder of the runs: results is what is committed, runs what your own runs wrote.", valueName: "dir"))
    var out = "results"

    @Option(help: ArgumentHelp("Folder with the layouts of the tables.", valueName: "dir"))
    var experiments = "Experiments"

    @Option(help: ArgumentHelp("File whose results block is rewritten (default: README.md for the folder results, else none).", valueName: "file"))
    var readme: String?

    @Flag(help: "Change nothing; name the files that would change, and fail if there are any.")
    var check = false

    func run() throws {
        let output = try OutputFolder(existing: out)
        // The rows are read under the lock, too: else a run that ends meanwhile would lose its place in the tables.
        let drift = try withLock(on: out) {
            let files = try ResultFiles(output, experiments: experiments)
            let page = try (readme ?? (out == "results" ? "README.md" : nil)).map { try ResultsBlock(path: $0, results: files.readme) }
            if !check {
                try files.write()
                try page?.write()
            }
            return check ? try files.drift() + (page.flatMap { $0.isCurrent ? nil : [$0.path] } ?? []) : []
        }
        guard drift.isEmpty else {
            print(drift.map { "\($0) is not what `reproduce report` makes of \(output.runs)" }.joined(separator: "\n"))
            throw ExitCode(1)
        }
    }
}

/// A text file with results between the lines `<!-- results -->` and `<!-- /results -->`.
struct ResultsBlock {
    let path: String
    let isCurrent: Bool
    private let text: String

    /// - Throws: `FileError` when the file cannot be read or does not hold the two marks once each, in order.
    init(path: String, results: String) throws {
        let (open, close) = ("<!-- results -->\n", "<!-- /results -->")
        let old = lines(of: try readText(path)).joined(separator: "\n") + "\n"  // whatever ends its lines
        let (before, after) = (old.components(separatedBy: open), old.components(separatedBy: close))
        guard before.count == 2, after.count == 2, before[0].count < after[0].count else {
            throw FileError("\(path) must hold the line <!-- results --> and then the line <!-- /results -->, once each")
        }
        self.path = path
        text = before[0] + open + "\n" + results + "\n" + close + after[1]
        isCurrent = text == old
    }

    func write() throws { try writeAtomically(Data(text.utf8), to: path) }
}
