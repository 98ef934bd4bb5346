// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BCGDRuntime
import Export
import Files
import Foundation
import Training

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes a trained network as a packed model for integer inference.",
        discussion: "The packed model computes what the network's evaluation in mixed precision computes (Documentation/packed-format.md).")

    @Argument(help: ArgumentHelp("Checkpoint of a quantized run.", valueName: "checkpoint"))
    var checkpoint: String

    @Option(name: .shortAndLong, help: ArgumentHelp("The file to write (.bcgd).", valueName: "file"))
    var output: String

    @Option(help: ArgumentHelp("Class names, one a line in the order of the labels, for data sets other than CIFAR-10 and Fashion-MNIST: images are then ImageNet's, 224×224.", valueName: "file"))
    var classNames: String?

    func run() throws {
        let checkpoint = try Checkpoint(path: checkpoint)
        let model = try packedModel(of: checkpoint, format: try format(try checkpoint.description().dataset))
        try model.write(to: output)
        print("\(output): \(model.byteCount) bytes, \(model.units.count) units, \(model.multiplyAdds) multiply-adds an image; \(model.provenance)")
    }

    private func format(_ dataset: String) throws -> ImageFormat {
        if let classNames {
            guard let text = try? String(contentsOfFile: classNames, encoding: .utf8) else { throw FileError("cannot read the class names in \(classNames)") }
            let names = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            return .imageNet(classes: names.last == "" ? names.dropLast() : names)
        }
        guard let format = ImageFormat(dataset: dataset) else {
            throw FileError("the classes of \(dataset) are not known by name: name a file that lists them with --class-names")
        }
        return format
    }
}
