// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Datasets
import Files
import Foundation
import Networks
import Reporting
import Training

extension RunProtocol: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}

/// Where the images come from.
struct DataOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Folder with CIFAR-10's binary version (cifar-10-batches-bin, or its parent).",
            discussion: "Also taken from the environment variable BCGD_DATA. Without either, Fashion-MNIST from its Debian package is used.",
            valueName: "dir"))
    var data: String?

    @Flag(help: "Accept data files whose checksums are not the official ones; the results say so.")
    var allowUnofficialData = false

    func load() throws -> ImageDataset {
        let folder = data ?? ProcessInfo.processInfo.environment["BCGD_DATA"].flatMap { $0.isEmpty ? nil : $0 }
        guard let folder else { return try FashionMNIST.load(allowUnofficial: allowUnofficialData) }
        return try CIFAR10.load(folder: folder, allowUnofficial: allowUnofficialData)
    }
}

/// Where the recipes are.
struct ExperimentOptions: ParsableArguments {
    @Option(name: .customLong("protocol"), help: "How long to train: smoke (minutes), brief (15 + 10 epochs), short (30 + 30) or paper (the published schedule).")
    var runProtocol = RunProtocol.smoke

    @Option(help: ArgumentHelp("Folder with the recipes.", valueName: "dir"))
    var experiments = "Experiments"

    func cells() throws -> ExperimentCells {
        guard FileManager.default.fileExists(atPath: experiments) else {
            throw FileError("there is no folder \(experiments) here; run from the package's folder, or name it with --experiments")
        }
        return try ExperimentCells(runProtocol, folder: experiments)
    }

    func table(_ name: String) throws -> ExperimentTable { try ExperimentTable(name, folder: experiments) }

    func reported() throws -> ReportedValues { try ReportedValues(contentsOf: "\(experiments)/reported.csv") }
}

/// A comma-separated list.
func split(_ list: String) -> [String] {
    list.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
}
