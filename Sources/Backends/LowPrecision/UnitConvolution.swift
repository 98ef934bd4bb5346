// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// A unit's convolution: of levels with integer weights in exact integers, or in bf16; of any shape (`Lowering`).
final class UnitConvolution {
    private enum Kernels {
        case integer(QuantizedConvolution, integerWeights: Buffer<Int8>?)
        case bf16(BF16Convolution, weights: Buffer<Float>?)
    }

    let lowering: Lowering
    private let kernels: Kernels
    private let weight: Parameter
    /// What lies under the kernel, and its gradient; `nil` where the kernels read the map itself.
    private let patches: (map: FeatureMap, gradient: Buffer<UInt16>)?
    /// The kernels' weight gradient, where it is not the layer's.
    private let gradient: Tensor?
    private let threads: Int32
    private let shards: Shards

    /// - Parameters:
    ///   - levels: the highest level of the input, for exact integers; `nil` for bf16.
    ///   - gradients: of what the gradient of exact integers is made.
    ///   - scratch: gives working memory of so many bytes, shared with convolutions that run at other times.
    init(
        _ shape: ConvolutionShape, weight: Parameter, levels: Int?, gradients: QuantizedConvolution.Gradients,
        scratch: (Int) -> ConvolutionScratch, in context: ExecutionContext
    ) {
        let (engine, batch) = (context.engine, context.batch)
        lowering = Lowering(shape)
        self.weight = weight
        let (convolution, isDirect, count) = (lowering.convolution, lowering.keepsWeights, lowering.weightCount)
        let room = scratch(
            QuantizedConvolution.scratchBytes(convolution, batch: batch, gradients: levels == nil ? .bf16 : gradients, engine: engine))
        if let levels {
            let top = weight.spec.quantization?.quantizer.maximumIntegerWeight ?? 1
            kernels = .integer(
                QuantizedConvolution(
                    convolution, qmax: levels, maximumIntegerWeight: top, batch: batch, gradients: gradients,
                    engine: engine, scratch: room),
                integerWeights: isDirect ? nil : Buffer(count, zero: 0))
        } else {
            kernels = .bf16(
                BF16Convolution(convolution, batch: batch, engine: engine, scratch: room), weights: isDirect ? nil : Buffer(count, zero: 0))
        }
        gradient = isDirect ? nil : Tensor([count])
        if lowering.usesPatches && !lowering.patchIsTheMap {
            let map = FeatureMap(convolution.input, levels == nil ? CK_BF16 : CK_U8, stepSize: nil, batch: batch)
            patches = (map, Buffer(convolution.input.count * batch, zero: 0))
        } else {
            patches = nil
        }
        (threads, shards) = (context.threads, context.shards)
    }

    /// The type of its results.
    var type: ck_number {
        switch kernels {
        case .integer(let convolution, _): convolution.fitsInt16 ? CK_S16 : CK_S32
        case .bf16: CK_BF16
        }
    }

    /// The largest integer of the results' gradient; `nil` where that is bf16.
    var gradientLimit: Int? {
        if case .integer(let convolution, _) = kernels, convolution.gradients == .s16 { convolution.gradientLimit } else { nil }
    }

    /// Takes over the weights as they now are, in units of their scales: integer weights of quantized weights, exactly; to bf16 maps also
    /// other weights, rounded to bf16, in units of 1: float ones, relaxed ones, and those with a scale for each channel.
    /// - Parameter scales: room for δ of each channel; it becomes 1 where all weights are 0.
    func load(scales: Buffer<Float>, training: Bool) {
        let channels = weight.value.shape[0]
        switch kernels {
        case .integer(let convolution, let integerWeights):
            if let integerWeights { lowering.spread(weight.requiredIntegerWeights, integerWeights.pointer) }
            convolution.setIntegerWeights(
                integerWeights.map { UnsafePointer($0.pointer) } ?? weight.requiredIntegerWeights, training: training)
            for o in 0..<channels { scales.pointer[o] = weight.scale(of: o) }
        case .bf16(let convolution, let weights):
            let isExact = weight.integerWeights != nil && weight.slices == 1 && weight.relaxationShare == 1 && weight.scales[0] > 0
            scales.pointer.update(repeating: isExact ? weight.scales[0] : 1, count: channels)
            if let weights { lowering.spread(weight.effective.pointer, weights.pointer) }
            convolution.setWeights(weights?.pointer ?? weight.effective.pointer, factor: 1 / scales.pointer[0], training: training)
        }
    }

    func forward(_ map: FeatureMap, into acc: UnsafeMutableRawPointer, batch: Int) {
        guard batch > 0 else { return }
        let input = patches?.map ?? map
        if let patches {
            let size = map.type.bytes
            ck_patches_gather(map.pointer, patches.map.pointer, size, lowering.patches(images: batch), threads)
        }
        switch kernels {
        case .integer(let convolution, _) where convolution.fitsInt16:
            convolution.forward(levels: input.levels, output: acc.assumingMemoryBound(to: Int16.self), batch: batch)
        case .integer(let convolution, _):
            convolution.forward(levels: input.levels, output: acc.assumingMemoryBound(to: Int32.self), batch: batch)
        case .bf16(let convolution, _):
            convolution.forward(input: input.bf16, output: acc.assumingMemoryBound(to: UInt16.self), batch: batch)
        }
    }

    /// Fills the weight's gradient.
    /// - Parameters:
    ///   - map: that of the last forward pass.
    ///   - scale: what one of `outputGradient` is worth.
    ///   - units: what the gradient is multiplied by, for each channel.
    func backwardWeight(_ map: FeatureMap, outputGradient: AccGradient, scale: Float, units: Buffer<Float>) {
        let input = patches?.map ?? map, (from, to) = (lowering.convolution.input.count, lowering.convolution.output.count)
        shards.sum(into: [gradient ?? weight.gradient]) { images, gradients in
            let dy = outputGradient.values.pointer + images.lowerBound * to, result = gradients[0].pointer
            switch (kernels, outputGradient) {
            case (.integer(let convolution, _), .s16):
                convolution.backwardWeight(
                    levels: input.levels + images.lowerBound * from, outputGradient: outputGradient.integers + images.lowerBound * to,
                    scale: scale,
                    units: units.pointer, weightGradient: result, batch: images.count)
            case (.integer(let convolution, _), .bf16):
                convolution.backwardWeight(
                    levels: input.levels + images.lowerBound * from, outputGradient: dy, units: units.pointer, weightGradient: result,
                    batch: images.count)
            case (.bf16(let convolution, _), _):
                convolution.backwardWeight(
                    input: input.bf16 + images.lowerBound * from, outputGradient: dy, units: units.pointer, weightGradient: result,
                    batch: images.count)
            }
        }
        if let gradient { lowering.collect(gradient.pointer, weight.gradient.pointer) }
    }

    func backwardInput(outputGradient: AccGradient, scale: Float, inputGradient: Buffer<UInt16>, batch: Int) {
        guard batch > 0 else { return }
        let result = patches?.gradient ?? inputGradient
        switch (kernels, outputGradient) {
        case (.integer(let convolution, _), .s16):
            convolution.backwardInput(outputGradient: outputGradient.integers, scale: scale, inputGradient: result.pointer, batch: batch)
        case (.integer(let convolution, _), .bf16(let values)):
            convolution.backwardInput(outputGradient: values.pointer, inputGradient: result.pointer, batch: batch)
        case (.bf16(let convolution, _), _):
            convolution.backwardInput(outputGradient: outputGradient.values.pointer, inputGradient: result.pointer, batch: batch)
        }
        if let patches { ck_patches_scatter(patches.gradient.pointer, inputGradient.pointer, lowering.patches(images: batch), threads) }
    }
}
