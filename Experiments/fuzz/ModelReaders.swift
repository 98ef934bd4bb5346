// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Backends
import Compute
import Datasets
import Experiments
import Export
import Files
import Foundation
import Graph
import RandomModels
import Training

extension Reader {
    static let models = [
        Reader(name: "safetensors", about: "a safetensors file; its tensors are read and written again") { _ in
            let tensors: [String: StoredTensor] = [
                "a": StoredTensor(shape: [2, 3], [Float](repeating: 1.5, count: 6)),
                "b.codes": StoredTensor(shape: [5], [Int8](repeating: -1, count: 5)),
                "empty": StoredTensor(shape: [0, 4], [Double]()), "é \"\\\u{1}": StoredTensor(shape: [], [UInt64(7)])
            ]
            let files = [
                SafetensorsFile(metadata: ["format": "pt", "e\u{301}": "\n"], tensors: tensors),
                SafetensorsFile(tensors: ["a": StoredTensor(shape: [1], [Float(1)])])
            ]
            let seeds = try files.map { file in
                let bytes = try file.encoded(), data = file.tensors.reduce(0) { $0 + $1.value.data.count }
                return Seed(bytes, hot: 0..<bytes.count - data) { withHeaderLength($0, data: data) }
            }
            return Session(seeds: seeds) { input, _ in try readAndWrite(Data(input)) }
        },
        Reader(name: "checkpoint", about: "a checkpoint; one in 16 that are accepted becomes a network that is evaluated") { folder in
            let path = "\(folder)/run.safetensors", images = tinyImages()
            let seeds = try [
                "method: float, weight_bits: 32, activation_bits: 32", "method: bcgd, weight_bits: 1, activation_bits: 4",
                "method: bc, weight_bits: 2, activation_bits: 2, evaluation: lagged"
            ]
            .map { settings -> Seed in
                let run = RunDescription(
                    name: "run", dataset: images.name, recipe: try recipe(settings, in: folder), seed: 3, warmStart: nil)
                try Trainer(run, dataset: images, threads: 1).save(to: path)
                let bytes = try readFile(path), header = 8 + Int(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) })
                return Seed(bytes, hot: 0..<header) { withChecksum(withHeaderLength($0, data: bytes.count - header)) }
            }
            let context = ExecutionContext(engine: try Engine(threads: 1), batch: 1), shape = FeatureShape(height: 8, width: 8, channels: 3)
            return Session(seeds: seeds) { input, index in
                try write(input, path)
                let checkpoint = try Checkpoint(path: path), run = try checkpoint.description()
                guard index % 16 < 3 else { return }
                let network = try checkpoint.evaluationNetwork(input: shape, classes: 4, precision: .f32, in: context)
                let scores = try network.forward(shape.tensor(batch: 1), batch: 1, mode: .evaluation)
                try need(scores.count == 4, "\(scores.count) scores of \(run.recipe.network)")
            }
        },
        Reader(
            name: "packed", about: "a packed model; what is accepted classifies an image by every path, small ones as the reference does"
        ) { _ in
            let models = [
                RandomModel(height: 5, width: 6), RandomModel(weightBits: 2, isScaledPerChannel: true),
                RandomModel(weightBits: 4, isFloatOutside: true), RandomModel(height: 5, width: 6, isOfBytes: true)
            ]
            let seeds = try models.map { Seed(try $0.contents().encoded(), hot: 0..<128 + 10 * 64, finish: packedAgain) }
            let paths = Classifier.Path.available
            return Session(seeds: seeds) { input, index in
                let model = try PackedModel(bytes: Data(input))
                try need(model.bytes == Data(input), "its bytes are others")
                // A changed number of rows may make a model large: what is computed is bounded, not whether it is read.
                guard model.multiplyAdds < 3_000_000 && model.input.count < 100_000 else { return }
                let image = (0..<model.input.count).map { UInt8(truncatingIfNeeded: $0 * 31 + index) }
                let scores = try paths.map { try Classifier(model, path: $0).scores(of: image) }
                try need(
                    scores.allSatisfy { $0.count == model.classes.count }, "\(scores.map(\.count)) scores of \(model.classes.count) classes"
                )
                try need(scores.allSatisfy { $0.map(\.bitPattern) == scores[0].map(\.bitPattern) }, "the paths differ")
                guard index % 64 == 0, case .floats(let expected)? = ReferenceClassifier(model).activations(of: image).last?.values else {
                    return
                }
                try need(
                    expected.map(\.bitPattern) == scores[0].map(\.bitPattern), "the scores are \(scores[0]), the reference's \(expected)")
            }
        }
    ]

    static let exchanged = [
        Reader(name: "onnx", about: "a QCDQ or QONNX file as `import` reads it; what becomes a packed model classifies an image") { _ in
            let model = try PackedModel(bytes: RandomModel(height: 5, width: 6, weightBits: 2).contents().encoded())
            let seeds = [onnx(model, form: .qcdq), onnx(model, form: .qcdq, weights: .int4), onnx(model, form: .qonnx)].map {
                Seed([UInt8]($0))
            }
            let format = ImageFormat(
                height: 5, width: 6, channels: 3, classes: model.classes,
                normalization: PixelNormalization(mean: [0.4, 0.4, 0.4], std: [0.2, 0.2, 0.2]))
            let image = [UInt8]((0..<90).map { UInt8($0) })
            return Session(seeds: seeds) { input, index in
                let model = try packedModel(onnx: input, provenance: "input") { _ in format }
                guard model.multiplyAdds < 3_000_000 else { return }
                try need(try Classifier(model).scores(of: image).allSatisfy(\.isFinite), "a score is not finite")
            }
        },
        Reader(name: "own-weights", about: "a safetensors file of other programs: 16 bits, prefixes") { _ in
            let half = StoredTensor(shape: [3], type: .f16, data: Data([0, 60, 0, 188, 255, 123])),
                brain = StoredTensor(shape: [2], type: .bf16, data: Data([128, 63, 1, 2]))
            let file = SafetensorsFile(tensors: ["module.a": half, "module.b": brain, "module.c": StoredTensor(shape: [2], [Float(1), 2])])
            let bytes = try file.encoded()
            return Session(seeds: [Seed(bytes, hot: 0..<bytes.count - 18) { withHeaderLength($0, data: 18) }]) { input, _ in
                let (own, notes) = try SafetensorsFile(bytes: Data(input), path: "input").asOwn()
                try need(
                    notes.count <= 3 && !own.tensors.values.contains { [.f16, .bf16].contains($0.type) }, "tensors of 16 bits are left")
            }
        }
    ]

    private static func readAndWrite(_ input: Data) throws {
        let file = try SafetensorsFile(bytes: input, path: "input")
        for (name, tensor) in file.tensors {
            let count = tensor.shape.reduce(1, *)
            switch tensor.type {
            case .f32: try need(try file.floats(named: name).count == count, "values of \(tensor.shape)")
            case .i8: try need(try file.values(Int8.self, named: name, shape: tensor.shape).count == count, "values of \(tensor.shape)")
            case .f64: try need(try file.values(Double.self, named: name).count == count, "values of \(tensor.shape)")
            default: try need(tensor.data.count == count * tensor.type.size, "bytes of \(tensor.shape)")
            }
        }
        let again = try SafetensorsFile(bytes: try file.encoded(), path: "again")
        try need(again.tensors == file.tensors && again.metadata == file.metadata, "it reads otherwise after it was written")
    }

    /// With the length that the header has when `data` bytes follow it.
    private static func withHeaderLength(_ bytes: [UInt8], data: Int) -> [UInt8] {
        guard bytes.count >= 8 + data else { return bytes }
        return withUnsafeBytes(of: UInt64(bytes.count - 8 - data).littleEndian) { Array($0) } + bytes[8...]
    }

    private static func withChecksum(_ bytes: [UInt8]) -> [UInt8] {
        guard var file = try? SafetensorsFile(bytes: Data(bytes), path: "") else { return bytes }
        file.metadata["checksum"] = Checkpoint.checksum(file)
        return (try? file.encoded()).map(Array.init) ?? bytes
    }

    /// With the length and the checksum that a packed model's header names (Documentation/packed-format.md).
    private static func packedAgain(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= 24 else { return bytes }
        var bytes = bytes
        bytes.replaceSubrange(16..<24, with: withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { Array($0) })
        let sum = bytes.withUnsafeBytes { crc32($0[16...]) }
        bytes.replaceSubrange(12..<16, with: withUnsafeBytes(of: sum.littleEndian) { Array($0) })
        return bytes
    }

    private static func tinyImages() -> ImageDataset {
        let normalization = PixelNormalization(mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2])
        let split = ImageSplit(
            height: 8, width: 8, channels: 3, images: (0..<4 * 192).map { UInt8(truncatingIfNeeded: $0 * 5) }, labels: [0, 1, 2, 3],
            normalization: normalization)
        return ImageDataset(name: "tiny", classes: ["a", "b", "c", "d"], train: split, test: split, isOfficial: true)
    }

    private static func recipe(_ settings: String, in folder: String) throws -> Recipe {
        let common = """
            network: resnet8, quantized_layers: all, blending: 1.0e-2, input_derivative: clipped-relu, resolution_derivative: \
            three-valued, batch_size: 4, epochs: 4,
            rate: 0.05, rate_divisor: 10, milestones: [3], resolution_rate_factor: 0.01, resolution_minimum: 1.0e-3, momentum: 0.9, \
            weight_decay: 1.0e-4,
            crop_padding: 1, flip: true
            """
        try write(Array("{\(common), \(settings)}".utf8), "\(folder)/recipe.yaml")
        return try Settings(contentsOf: "\(folder)/recipe.yaml").recipe()
    }
}
