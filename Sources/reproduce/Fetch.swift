// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Datasets
import Files
import Foundation

struct Fetch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Downloads a data set, from its official address or known mirrors, and verifies it.")

    enum Source: String, ExpressibleByArgument, CaseIterable { case cifar10, mnist }

    @Argument(help: "The data set: cifar10 (170 MB, official address) or mnist (12 MB, mirrors: its publisher serves it no more).")
    var source: Source

    @Option(help: ArgumentHelp("Where to put it.", valueName: "dir"))
    var into = "data"

    func run() throws {
        let isTerminal = isDrawnOnStandardError()
        func report(_ done: Int, _ total: Int) { if isTerminal { writeToStandardError("\r\(done >> 20) of \(total >> 20) MiB") } }
        let (name, folder, options) =
            switch source {
            case .cifar10: ("CIFAR-10", try CIFAR10.fetch(into: into, progress: report), "")
            case .mnist: ("MNIST", try MNIST.fetch(into: into, progress: report), "--dataset mnist ")
            }
        if isTerminal { note("") }
        say("\(name) is in \(folder); use it with \(options)--data \(into)")
    }
}
