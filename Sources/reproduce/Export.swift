// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BCGDRuntime
import Datasets
import Export
import Files
import Foundation
import Training

extension ONNXForm: ExpressibleByArgument {}
extension ONNXWeights: ExpressibleByArgument {}

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes a trained network as a packed model for integer inference, as ONNX, or its weights.",
        discussion: """
            The packed model (.bcgd) computes what the network's evaluation in mixed precision computes (Documentation/packed-format.md). \
            A file named .onnx is for other programs: plain float operators, QCDQ (integer weights of 8 or fewer bits, standard \
            operators), \
            QONNX, or the network without the rounding of its activations (Documentation/Python.md). A file named .safetensors is the \
            checkpoint without what the optimizer keeps, half of it, also of networks with float weights: `evaluate` reads it, and \
            runs start from it.
            """)

    @Argument(help: ArgumentHelp("Checkpoint of a run, or a packed model.", valueName: "checkpoint"))
    var checkpoint: String

    @Option(name: .shortAndLong, help: ArgumentHelp("The file to write: .bcgd, .onnx or .safetensors.", valueName: "file"))
    var output: String

    @Option(
        help: ArgumentHelp(
            "Class names of ImageNet, one a line in the order of the labels: for checkpoints that do not hold them; otherwise they must "
                + "be the same.",
            valueName: "file"))
    var classNames: String?

    @Option(help: "Of an ONNX file: \(ONNXForm.allCases.map(\.rawValue).joined(separator: ", ")) (default: float).")
    var form: ONNXForm?

    @Option(help: "Integer weights of the form qcdq: \(ONNXWeights.allCases.map(\.rawValue).joined(separator: ", ")) (default: int8).")
    var weights: ONNXWeights?

    @Flag(help: "Export a run that is not finished; the model says so.")
    var unfinished = false

    func validate() throws {
        guard !checkpoint.hasSuffix(".onnx") else {
            throw ValidationError("export reads checkpoints and packed models, not \(checkpoint): `reproduce import` reads ONNX")
        }
        guard output.hasSuffix(".bcgd") || output.hasSuffix(".onnx") || isWeights else {
            throw ValidationError("--output must end in .bcgd, .onnx or .safetensors, not \(output)")
        }
        guard form == nil || output.hasSuffix(".onnx") else {
            throw ValidationError("--form is for ONNX files, and \(output) is none: leave it out")
        }
        guard weights == nil || form == .qcdq else { throw ValidationError("--weights is for --form qcdq: leave it out") }
        guard classNames == nil || !isPacked else {
            throw ValidationError("--class-names is for checkpoints: the packed model \(checkpoint) holds its classes")
        }
        guard !unfinished || !isPacked else {
            throw ValidationError("--unfinished is for checkpoints: the packed model \(checkpoint) says what it is of: leave it out")
        }
        guard !isWeights || classNames == nil && !isPacked else {
            throw ValidationError("\(output) holds what a checkpoint does: it takes a checkpoint, and no --class-names")
        }
    }

    private var isPacked: Bool { checkpoint.hasSuffix(".bcgd") }
    private var isWeights: Bool { output.hasSuffix(".safetensors") }

    func run() throws {
        guard !isWeights else { return try writeWeights() }
        let model = try model()
        let bytes = output.hasSuffix(".onnx") ? onnx(model, form: form ?? .float, weights: weights ?? .int8) : model.bytes
        try writeAtomically(bytes, to: output)
        say(
            "\(output): \(bytes.count) bytes, \(model.units.count) units, \(model.multiplyAdds) multiply-adds an image; \(model.provenance)"
        )
    }

    private func writeWeights() throws {
        let (from, to) = (URL(fileURLWithPath: checkpoint), URL(fileURLWithPath: output))
        guard from.resolvingSymlinksInPath().standardizedFileURL != to.resolvingSymlinksInPath().standardizedFileURL else {
            throw FileError("\(output) is the checkpoint itself, which a run may go on from: give another --output")
        }
        let (checkpoint, run) = try finished()
        let bytes = try checkpoint.withoutOptimizerState()
        try writeAtomically(bytes, to: output)
        say("\(output): \(bytes.count) bytes, weights and statistics; \(run.name), epoch \(checkpoint.state.epoch) of \(run.recipe.epochs)")
    }

    private func model() throws -> PackedModel {
        if isPacked { return try PackedModel(path: checkpoint) }
        let (checkpoint, run) = try finished()
        return try packedModel(of: checkpoint, format: try format(checkpoint, run))
    }

    /// The checkpoint, of a finished run if not asked otherwise.
    private func finished() throws -> (Checkpoint, RunDescription) {
        let checkpoint = try Checkpoint(path: checkpoint), run = try checkpoint.description()
        if checkpoint.state.epoch < run.recipe.epochs, !checkpoint.isAsGiven {
            let place = "\(checkpoint.path) is of an unfinished run: epoch \(checkpoint.state.epoch) of \(run.recipe.epochs)"
            guard unfinished else { throw FileError("\(place): let it finish, or export it as it is with --unfinished") }
            note("\(place); the model says so")
        }
        return (checkpoint, run)
    }

    private func format(_ checkpoint: Checkpoint, _ run: RunDescription) throws -> ImageFormat {
        if let format = ImageFormat(dataset: run.dataset) {
            guard classNames == nil else {
                throw FileError("--class-names is for ImageNet: the classes of \(run.dataset) are known, leave it out")
            }
            try checkpoint.expectClasses(format.classes, of: run.dataset)
            return format
        }
        guard DatasetID(run.dataset).known == .imageNet, let side = run.recipe.imageSize else {
            throw FileError(
                "the images of \(run.dataset) are not known by name: CIFAR-10, MNIST, Fashion-MNIST and ImageNet can be exported")
        }
        return .imageNet(classes: try classes(checkpoint, run), side: side)
    }

    private func classes(_ checkpoint: Checkpoint, _ run: RunDescription) throws -> [String] {
        guard let classNames else {
            if let held = checkpoint.classes { return held }
            throw FileError(
                "\(checkpoint.path) is of a version that kept no class names: name a file that lists those of \(run.dataset) with "
                    + "--class-names"
            )
        }
        var names = lines(of: try readText(classNames)).map { $0.trimmingCharacters(in: .whitespaces) }
        while names.last == "" { names.removeLast() }
        guard names.count > 1, Set(names).count == names.count, !names.contains("") else {
            throw FileError("\(classNames) must give two or more classes, one a line, with different names; it has \(names.count) lines")
        }
        try checkpoint.expectClasses(names, of: classNames)
        if checkpoint.classes == nil { try ImageNetClasses.expectOrder(names, in: classNames) }
        if checkpoint.classes == nil, checkpoint.state.data == nil {
            note("\(checkpoint.path) cannot tell whether the order of \(classNames) is that of its scores")
        }
        return names
    }
}
