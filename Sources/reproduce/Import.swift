// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BCGDRuntime
import Datasets
import Experiments
import Export
import Files
import Foundation

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Turns a quantized network in an ONNX file (QCDQ or QONNX, as Brevitas writes them) into a packed model.",
        discussion: """
            What the images are is said by --dataset, or by --class-names, --mean and --std with the size in the file, or by the file \
            itself \
            where this suite wrote it. Documentation/Python.md says which networks can be packed; what cannot is named by its node.
            """)

    @Argument(help: ArgumentHelp("The network.", valueName: "model.onnx"))
    var network: String

    @Option(name: .shortAndLong, help: ArgumentHelp("The packed model to write.", valueName: "model.bcgd"))
    var output: String

    @Option(
        help: ArgumentHelp(
            "The data set whose images and classes they are: \(KnownDataset.allValueStrings.joined(separator: ", ")).", valueName: "name"))
    var dataset: KnownDataset?

    @Option(help: ArgumentHelp("Class names, one a line in the order of the scores.", valueName: "file"))
    var classNames: String?

    @Option(help: ArgumentHelp("Mean of each channel, where 255 is 1.", valueName: "m,…"))
    var mean: String?

    @Option(help: ArgumentHelp("Standard deviation of each channel, likewise.", valueName: "s,…"))
    var std: String?

    func validate() throws {
        guard output.hasSuffix(".bcgd") else { throw ValidationError("--output must end in .bcgd, not \(output)") }
        guard dataset == nil || classNames == nil && mean == nil && std == nil else {
            throw ValidationError("--dataset says what --class-names, --mean and --std say: give one or the other")
        }
        guard (mean == nil) == (std == nil) else { throw ValidationError("--mean and --std belong together: give both, or neither") }
    }

    func run() throws {
        let bytes = [UInt8](try readFile(network, most: 1 << 30))
        do {
            let model = try packedModel(
                onnx: bytes,
                provenance: "imported from \(URL(fileURLWithPath: network).lastPathComponent), CRC-32 \(crc32Hex(Data(bytes)))",
                format: format)
            try model.write(to: output)
            say(
                "\(output): \(model.byteCount) bytes, \(model.units.count) units, \(model.multiplyAdds) multiply-adds an image; "
                    + "\(model.provenance)"
            )
        } catch let error as ONNXError {
            throw FileError("\(network): \(error)")
        } catch let error as PackedModelError {
            throw FileError("\(network), with --mean and --std as given, makes no packed model: \(error)")
        }
    }

    private func format(_ facts: ONNXFacts) throws -> ImageFormat {
        if let dataset {
            guard let format = ImageFormat(dataset: dataset.rawValue) else {
                throw FileError("the images of \(dataset) are not known by name")
            }
            try expectNoContradiction(of: format, by: facts)
            return format
        }
        guard let height = facts.height, let width = facts.width, let channels = facts.channels else {
            throw FileError("\(network) leaves the images' size open: name their --dataset")
        }
        func numbers(_ option: String?, _ key: String) throws -> [Float] {
            guard let text = option ?? facts.metadata[key] else {
                throw FileError("nothing says the images' \(key): give --dataset or --\(key)")
            }
            let words = split(text), numbers = words.compactMap { Float($0) }
            guard words.count == channels, numbers.count == channels, numbers.allSatisfy(\.isFinite),
                key == "mean" || numbers.allSatisfy({ $0 > 0 })
            else {
                throw FileError("the \(key) \"\(text)\": expected \(channels) numbers\(key == "std" ? " above 0" : "")")
            }
            return numbers
        }
        let names = try classNames.map { lines(of: try readText($0)) } ?? facts.metadata["classes"]?.components(separatedBy: "\n")
        guard let names, names.count > 1, Set(names).count == names.count else {
            throw FileError("nothing says the classes, or not two or more different ones: give --dataset or --class-names")
        }
        try ImageNetClasses.expectOrder(names, in: classNames ?? network)
        return ImageFormat(
            height: height, width: width, channels: channels, classes: names,
            normalization: PixelNormalization(mean: try numbers(mean, "mean"), std: try numbers(std, "std")))
    }

    /// - Throws: `FileError` where the file, as this suite writes it, says that its images are other ones than those of `--dataset`.
    private func expectNoContradiction(of format: ImageFormat, by facts: ONNXFacts) throws {
        let normalization = format.normalization, classes = facts.metadata["classes"]?.components(separatedBy: "\n")
        func differs(_ key: String, _ numbers: [Float]) -> Bool {
            facts.metadata[key].map { split($0).compactMap { Float($0) } != numbers } ?? false
        }
        let found: String? =
            if let classes, classes != format.classes {
                "classes \(classes.prefix(3).joined(separator: ", "))\(classes.count > 3 ? ", …" : "")"
            } else if differs("mean", normalization.mean) {
                "mean \(facts.metadata["mean"] ?? "")"
            } else if differs("std", normalization.std) {
                "std \(facts.metadata["std"] ?? "")"
            } else {
                nil
            }
        guard let found else { return }
        throw FileError(
            "\(network) says of its images: \(found), which are not those of --dataset \(dataset?.id.slug ?? ""): leave --dataset out, or "
                + "give --class-names, --mean and --std")
    }
}
