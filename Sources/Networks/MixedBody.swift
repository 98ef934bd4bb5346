// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Quantization

/// All of a network but its classifier, in mixed precision: the first convolution with its batch norm and activation, then
/// layers between maps of levels or bf16, then the mean over pixels.
///
/// Where weights and activations are quantized, forward convolutions are exact integer arithmetic; else maps, and weights as
/// the passes see them, are bf16. Gradients are bf16, all sums f32, batch-norm sums f64.
/// The f32 layers are its readable reference; names of parameters and statistics are theirs.
final class MixedBody: Layer {
    let output: FeatureShape
    let names: UnitNames
    let first: FirstConvolution
    let stem: NormActivationUnit
    let layers: [any MixedLayer]
    let arithmetic: MixedArithmetic
    private let pool: ck_pool
    private let result: Tensor
    private let gradient: Buffer<UInt16>
    /// What one of the first convolution's results is worth, `[C]`.
    private let ones: Buffer<Float>
    private let threads: Int32

    var parameters: [Parameter] { first.parameters + stem.parameters + layers.flatMap(\.parameters) }
    var statistics: [NamedTensor] { stem.statistics + layers.flatMap(\.statistics) }
    var multiplyAdds: Int { layers.reduce(first.shape.multiplyAdds) { $0 + $1.multiplyAdds } }

    /// - Parameters:
    ///   - names: of the first convolution's unit.
    ///   - shape: of the first convolution; no later map may be larger than its output.
    ///   - weights: how weights will be projected, or `nil` for float ones.
    ///   - build: makes the layers, given the first unit's map.
    init(
        _ names: UnitNames, _ shape: ConvolutionShape, hasBias: Bool = false, activation: Activation, weights: WeightProjection?,
        in workshop: Workshop, build: (FeatureMap, MixedArithmetic) -> [any MixedLayer]
    ) {
        self.names = names
        arithmetic = MixedArithmetic(activation: activation, weights: weights, largest: shape.output, in: workshop)
        first = FirstConvolution(names.convolution, shape, hasBias: hasBias, arithmetic)
        stem = NormActivationUnit(names, shape.output, accType: first.type, arithmetic)
        layers = build(stem.output, arithmetic)
        let last = (layers.last?.output ?? stem.output).shape
        output = FeatureShape(height: 1, width: 1, channels: last.channels)
        pool = ck_pool(
            images: 0, height: last.height, width: last.width, channels: last.channels, window: 0, stride: 0, padding: 0)
        ones = Buffer(shape.outputChannels, zero: 1)
        result = output.tensor(batch: workshop.batch)
        gradient = Buffer(last.count * workshop.batch, zero: 0)
        threads = workshop.threads
    }

    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        try first.forward(input, batch: batch)
        let map = stem.forward(first.acc, units: ones, bias: first.bias?.value, shortcut: nil, batch: batch, mode: mode)
        let last = try layers.reduce(map) { try $1.forward($0, batch: batch, mode: mode) }
        ck_map_mean_forward(last.pointer, last.type, last.unit, result.pointer, pool.with(images: batch), threads)
        return result
    }

    /// Nothing asks for the gradient in the images: the returned tensor is a placeholder that nobody reads.
    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        ck_map_mean_backward(outputGradient.pointer, gradient.pointer, pool.with(images: batch), threads)
        let map = try layers.reversed().reduce(GradientMap(values: gradient)) { try $1.backward($0, batch: batch) }
        stem.backward(
            map, acc: first.acc, units: ones, factors: ones, shortcut: nil, accGradient: arithmetic.accGradient, batch: batch)
        try first.backward(arithmetic.accGradient, batch: batch)
        return outputGradient
    }
}
