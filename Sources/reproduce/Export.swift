// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BCGDRuntime
import Export
import Files
import Foundation
import Training

extension ONNXForm: ExpressibleByArgument {}

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes a trained network as a packed model for integer inference, or as ONNX.",
        discussion: """
            The packed model (.bcgd) computes what the network's evaluation in mixed precision computes (Documentation/packed-format.md). \
            A file named .onnx is for other programs: plain float operators, QONNX, or the network without the rounding of its activations.
            """)

    @Argument(help: ArgumentHelp("Checkpoint of a quantized run, or a packed model.", valueName: "checkpoint"))
    var checkpoint: String

    @Option(name: .shortAndLong, help: ArgumentHelp("The file to write: .bcgd or .onnx.", valueName: "file"))
    var output: String

    @Option(help: ArgumentHelp("Class names, one a line in the order of the labels, for data sets other than CIFAR-10 and Fashion-MNIST: images are then ImageNet's, of the size that the run was trained with.", valueName: "file"))
    var classNames: String?

    @Option(help: "Of an ONNX file: \(ONNXForm.allCases.map(\.rawValue).joined(separator: ", ")).")
    var form = ONNXForm.float

    func validate() throws {
        guard output.hasSuffix(".bcgd") || output.hasSuffix(".onnx") else { throw ValidationError("--output must end in .bcgd or .onnx, not \(output)") }
    }

    func run() throws {
        let model = try model()
        let bytes = output.hasSuffix(".onnx") ? onnx(model, form: form) : model.bytes
        try writeAtomically(bytes, to: output)
        say("\(output): \(bytes.count) bytes, \(model.units.count) units, \(model.multiplyAdds) multiply-adds an image; \(model.provenance)")
    }

    private func model() throws -> PackedModel {
        if checkpoint.hasSuffix(".bcgd") { return try PackedModel(path: checkpoint) }
        let checkpoint = try Checkpoint(path: checkpoint)
        return try packedModel(of: checkpoint, format: try format(try checkpoint.description()))
    }

    private func format(_ run: RunDescription) throws -> ImageFormat {
        if let classNames {
            return .imageNet(classes: lines(of: try readText(classNames)), side: run.recipe.imageSize ?? 224)
        }
        guard let format = ImageFormat(dataset: run.dataset) else {
            throw FileError("the classes of \(run.dataset) are not known by name: name a file that lists them with --class-names")
        }
        return format
    }
}
