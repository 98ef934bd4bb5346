// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Quantization

/// All of a quantized network between its first convolution (real-valued images) and its classifier, in mixed precision:
/// batch norm and quantized ReLU of the first convolution, then layers between maps of levels, then the mean over pixels.
///
/// Forward convolutions are exact integer arithmetic; gradients are bf16, their sums f32, batch-norm sums f64.
/// The f32 layers are its readable reference; names of parameters and statistics are theirs.
final class IntegerBody: Layer {
    let output: FeatureShape
    private let stem: NormActivationUnit
    private let layers: [any LevelLayer]
    private let pool: ck_pool
    private let result, inputGradient: Tensor
    private let gradient: Buffer<UInt16>
    private let scratch: GradientScratch
    private let threads: Int32
    private let stemShape: FeatureShape
    private var input: Tensor?

    var parameters: [Parameter] { [stem.scale, stem.shift, stem.resolution] + layers.flatMap(\.parameters) }
    var statistics: [NamedTensor] { [stem.runningMean, stem.runningVariance] + layers.flatMap(\.statistics) }
    var multiplyAdds: Int { layers.reduce(0) { $0 + $1.multiplyAdds } }

    /// - Parameters:
    ///   - names: of the first convolution's batch norm and activation.
    ///   - input: the first convolution's output.
    ///   - build: makes the layers, given the stem's levels and the scratch for gradients.
    init(
        norm: String, activation: String, function: QuantizedReLU, input: FeatureShape, in workshop: Workshop,
        build: (LevelMap, GradientScratch) throws -> [any LevelLayer]
    ) rethrows {
        stemShape = input
        stem = NormActivationUnit(norm: norm, activation: activation, function, input, type: CK_ACC_F32, in: workshop)
        // No later map is larger than the first convolution's output.
        scratch = GradientScratch(count: input.count * workshop.batch)
        layers = try build(stem.output, scratch)
        let last = layers.last?.output ?? stem.output
        output = FeatureShape(height: 1, width: 1, channels: last.shape.channels)
        pool = ck_pool(
            images: 0, height: last.shape.height, width: last.shape.width, channels: last.shape.channels, window: 0, stride: 0,
            padding: 0)
        (result, inputGradient) = (output.tensor(batch: workshop.batch), input.tensor(batch: workshop.batch))
        gradient = Buffer(last.shape.count * workshop.batch, zero: 0)
        threads = workshop.threads
    }

    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        let first = stem.forward(input.pointer, unit: 1, bias: nil, shortcut: nil, batch: batch, mode: mode)
        let last = try layers.reduce(first) { try $1.forward($0, batch: batch, mode: mode) }
        ck_level_mean_forward(last.levels.pointer, last.unit, result.pointer, pool.with(images: batch), threads)
        return result
    }

    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        guard let input else { preconditionFailure("backward before forward") }
        ck_level_mean_backward(outputGradient.pointer, gradient.pointer, pool.with(images: batch), threads)
        let first = try layers.reversed().reduce(GradientMap(values: gradient)) { try $1.backward($0, batch: batch) }
        stem.backward(
            first, acc: input.pointer, unit: 1, factor: 1, shortcut: nil, accGradient: scratch.acc, batch: batch)
        ck_bf16_to_f32(scratch.acc.pointer, inputGradient.pointer, batch * stemShape.count, threads)
        return inputGradient
    }
}
