// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Quantization

/// What the layers of one network in mixed precision have in common: how they compute, and working memory of the backward
/// passes, which run one after the other.
final class MixedArithmetic {
    let activation: Activation
    let weights: WeightProjection?
    let workshop: Workshop
    /// The gradient in a convolution's output, bf16, for the largest map of the network.
    let accGradient: Buffer<UInt16>
    private var kernels: ConvolutionScratch?

    /// - Parameter largest: no map of the network is larger.
    init(activation: Activation, weights: WeightProjection?, largest: FeatureShape, in workshop: Workshop) {
        (self.activation, self.weights, self.workshop) = (activation, weights, workshop)
        accGradient = Buffer(largest.count * workshop.batch, zero: 0)
    }

    /// With weights and activations both quantized, maps are levels and forward convolutions exact integers; else maps are bf16.
    var isInteger: Bool { activation != .relu && weights != nil }
    var mapType: ck_number { isInteger ? CK_U8 : CK_BF16 }

    func convolution(_ shape: ConvolutionShape) -> UnitConvolution {
        let (engine, batch) = (workshop.engine, workshop.batch)
        guard isInteger, case .quantized(let function) = activation, let weights else {
            return .bf16(BF16Convolution(shape, batch: batch, engine: engine, scratch: scratch(shape)))
        }
        return .integer(
            QuantizedConvolution(
                shape, maximumLevel: function.maximumLevel, maximumCode: weights.maximumCode, batch: batch, engine: engine,
                scratch: scratch(shape)))
    }

    /// The first that was large enough serves all convolutions that it is large enough for.
    private func scratch(_ shape: ConvolutionShape) -> ConvolutionScratch {
        let bytes = QuantizedConvolution.scratchBytes(shape, batch: workshop.batch, engine: workshop.engine)
        if let kernels, kernels.bytes >= bytes { return kernels }
        let scratch = ConvolutionScratch(bytes: bytes)
        kernels = scratch
        return scratch
    }
}

/// A unit's convolution: of levels with codes in exact integers, or in bf16.
enum UnitConvolution {
    case integer(QuantizedConvolution)
    case bf16(BF16Convolution)

    /// The type of its results.
    var type: ck_number {
        switch self {
        case .integer(let convolution): convolution.fitsInt16 ? CK_S16 : CK_S32
        case .bf16: CK_BF16
        }
    }

    /// Takes over the weights as they now are, in units of their scales: codes of quantized weights, exactly; to bf16 maps also
    /// other weights, rounded to bf16, in units of 1: float ones, relaxed ones, and those with a scale for each channel.
    /// - Parameter scales: room for δ, `[O]`; it becomes 1 where all weights are 0.
    func load(_ weight: Parameter, scales: Buffer<Float>, training: Bool) {
        let channels = weight.value.shape[0]
        switch self {
        case .integer(let convolution):
            convolution.setCodes(weight.requiredCodes, training: training)
            for o in 0..<channels { scales.pointer[o] = weight.scales[weight.slices == 1 ? 0 : o] }
        case .bf16(let convolution):
            let isExact = weight.codes != nil && weight.slices == 1 && weight.relaxationShare == 1 && weight.scales[0] > 0
            scales.pointer.update(repeating: isExact ? weight.scales[0] : 1, count: channels)
            convolution.setWeights(weight.effective.pointer, factor: 1 / scales.pointer[0], training: training)
        }
        for o in 0..<channels where !(scales.pointer[o] > 0) { scales.pointer[o] = 1 }
    }

    func forward(_ input: FeatureMap, into acc: UnsafeMutableRawPointer, batch: Int) {
        switch self {
        case .integer(let convolution) where convolution.fitsInt16:
            convolution.forward(levels: input.levels, output: acc.assumingMemoryBound(to: Int16.self), batch: batch)
        case .integer(let convolution):
            convolution.forward(levels: input.levels, output: acc.assumingMemoryBound(to: Int32.self), batch: batch)
        case .bf16(let convolution):
            convolution.forward(input: input.bf16, output: acc.assumingMemoryBound(to: UInt16.self), batch: batch)
        }
    }

    /// - Parameter units: what the gradient is multiplied by, `[O]`.
    func backwardWeight(
        _ input: FeatureMap, outputGradient: Buffer<UInt16>, units: Buffer<Float>, weightGradient: Tensor, batch: Int
    ) {
        switch self {
        case .integer(let convolution):
            convolution.backwardWeight(
                levels: input.levels, outputGradient: outputGradient.pointer, units: units.pointer,
                weightGradient: weightGradient.pointer, batch: batch)
        case .bf16(let convolution):
            convolution.backwardWeight(
                input: input.bf16, outputGradient: outputGradient.pointer, units: units.pointer,
                weightGradient: weightGradient.pointer, batch: batch)
        }
    }

    func backwardInput(outputGradient: Buffer<UInt16>, inputGradient: Buffer<UInt16>, batch: Int) {
        switch self {
        case .integer(let convolution):
            convolution.backwardInput(outputGradient: outputGradient.pointer, inputGradient: inputGradient.pointer, batch: batch)
        case .bf16(let convolution):
            convolution.backwardInput(outputGradient: outputGradient.pointer, inputGradient: inputGradient.pointer, batch: batch)
        }
    }
}
