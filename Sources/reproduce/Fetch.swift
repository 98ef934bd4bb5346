// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Datasets
import Files
import Foundation

struct Fetch: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Downloads a data set from its official address and verifies it.")

    enum Source: String, ExpressibleByArgument, CaseIterable { case cifar10 }

    @Argument(help: "The data set: cifar10 (163 MB).")
    var source: Source

    @Option(help: ArgumentHelp("Where to put it.", valueName: "dir"))
    var into = "data"

    func run() throws {
        let isTerminal = isDrawnOnStandardError()
        let folder = try CIFAR10.fetch(into: into) { done, total in
            if isTerminal { writeToStandardError("\r\(done >> 20) of \(total >> 20) MiB") }
        }
        if isTerminal { note("") }
        say("CIFAR-10 is in \(folder); use it with --data \(into)")
    }
}
