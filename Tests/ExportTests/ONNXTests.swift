// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Datasets
import Export
import RandomModels
import Testing
import TestSupport

/// ONNX files out and in again. What other programs make of them: Experiments/onnx/check.py.
@Suite struct ONNXTests {
    static let models: [RandomModel] = [
        RandomModel(), RandomModel(weightBits: 2, isScaledPerChannel: true),
        RandomModel(weightBits: 4, activationBits: 8, isFloatOutside: true),
        RandomModel(channels: 1, weightBits: 3, activationBits: 1), RandomModel(weightBits: 8, first: (7, 2, 3)),
        RandomModel(isOfBytes: true), RandomModel(weightBits: 4, isScaledPerChannel: true, isOfBytes: true, first: (7, 2, 3))
    ]

    private func imported(_ model: PackedModel, _ form: ONNXForm, _ weights: ONNXWeights = .int8) throws -> PackedModel {
        try packedModel(onnx: [UInt8](onnx(model, form: form, weights: weights)), provenance: "test") { facts in
            #expect(
                facts.height == model.input.height && facts.channels == model.input.channels
                    && facts.metadata["classes"] == model.classes.joined(separator: "\n"))
            return ImageFormat(
                height: model.input.height, width: model.input.width, channels: model.input.channels, classes: model.classes,
                normalization: PixelNormalization(
                    mean: Array(model.mean.prefix(model.input.channels)), std: Array(model.std.prefix(model.input.channels))))
        }
    }

    /// Every level of every unit; scores up to the rounding of the classifier's scale, which becomes δ·α. A shortcut of values takes its
    /// factor into them.
    @Test(arguments: models, [ONNXForm.qcdq, .qonnx]) func comesBackTheSame(_ random: RandomModel, _ form: ONNXForm) throws {
        let model = try PackedModel(bytes: random.contents().encoded()), again = try imported(model, form), image = random.images(1)
        let (before, after) = (try Classifier(model).activations(of: image), try Classifier(again).activations(of: image))
        #expect(before.count == after.count)
        for (a, b) in zip(before.dropLast(), after) {
            guard case .levels(let levels) = a.values else { continue }
            #expect(b.values == .levels(levels) && a.shape == b.shape, "\(a.unit)")
        }
        let (a, b) = (try Classifier(model).scores(of: image), try Classifier(again).scores(of: image))
        let largest = a.reduce(1) { max($0, abs($1)) }
        #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 * largest }, "\(a) \(b)")
    }

    @Test func fourBitsComeBackTheSame() throws {
        let model = try PackedModel(bytes: RandomModel(weightBits: 4).contents().encoded()), again = try imported(model, .qcdq, .int4)
        for index in 1..<8 { #expect(again.integerWeights(index) == model.integerWeights(index)) }
    }

    /// Weights take what their storage says; the rest of a file is small.
    @Test func sizesAreThoseOfTheBits() throws {
        let model = try PackedModel(bytes: RandomModel().contents().encoded())
        let weights = (0..<model.units.count).filter { model.units[$0].kind != .maximum }.reduce(0) { $0 + model.integerWeights($1).count }
        let sizes = ONNXWeights.allCases.map { onnx(model, form: .qcdq, weights: $0).count }, float = onnx(model, form: .float).count
        #expect(abs(float - sizes[0] - 3 * weights) < 12000 && abs(sizes[0] - sizes[1] - weights / 2) < 200)
        // 2048 bytes of the table, and three nodes more a unit.
        #expect(abs(sizes[0] - sizes[2] - weights * 7 / 8) < 8000, "\(sizes), \(weights) weights")
    }

    /// What cannot be packed is refused by its node, in one line.
    @Test func refusals() throws {
        let model = try PackedModel(bytes: RandomModel().contents().encoded())
        #expect(message { _ = try imported(model, .float) }.contains("cuts off"))
        #expect(message { _ = try imported(model, .unrounded) }.contains("which is not quantized"))
        #expect(message { _ = try imported(model, .qcdq, .packed) }.contains("has no place in a packed model"))
        func refusal(_ bytes: [UInt8]) -> String {
            message { _ = try packedModel(onnx: bytes, provenance: "") { _ in throw ONNXError("read") } }
        }
        let whole = [UInt8](onnx(model, form: .qcdq))
        #expect(
            refusal(whole) == "read" && refusal([]).contains("holds no graph") && refusal([UInt8](whole.dropLast())).contains("damaged"))
        #expect(refusal([0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).contains("bytes at"))
        #expect(refusal([UInt8](repeating: 0xff, count: 20)).contains("more than 64 bits"))
    }
}
