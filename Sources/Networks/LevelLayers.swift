// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Quantization

/// A layer between maps of levels: integers forward, bf16 gradients backward. `Layer`'s conventions hold; the gradient that
/// `backward` is given is overwritten by what a shortcut around the layer would pass on.
protocol LevelLayer: AnyObject {
    var output: LevelMap { get }
    var parameters: [Parameter] { get }
    var statistics: [NamedTensor] { get }
    var multiplyAdds: Int { get }
    func forward(_ input: LevelMap, batch: Int, mode: Mode) throws -> LevelMap
    func backward(_ gradient: GradientMap, batch: Int) throws -> GradientMap
}

/// Names of a unit's three parts, as the reference layers have them.
struct UnitNames {
    let convolution, norm, activation: String
}

/// Working memory of the backward passes, which run one after the other: the gradient in a convolution's output, bf16, for the
/// largest map of the network, and the kernels' own.
final class GradientScratch {
    let acc: Buffer<UInt16>
    private var kernels: ConvolutionScratch?

    init(count: Int) { acc = Buffer(count, zero: 0) }

    /// The kernels' scratch: the first that was large enough serves all convolutions that it is large enough for.
    func convolution(_ shape: ConvolutionShape, in workshop: Workshop) -> ConvolutionScratch {
        let bytes = QuantizedConvolution.scratchBytes(shape, batch: workshop.batch, engine: workshop.engine)
        if let kernels, kernels.bytes >= bytes { return kernels }
        let scratch = ConvolutionScratch(bytes: bytes)
        kernels = scratch
        return scratch
    }
}

/// Convolution with quantized weights, batch norm and quantized ReLU; with `shortcut` levels added before the ReLU.
///
/// The forward convolution is exact: levels u8 times codes s8, summed in 32 bits (16 where they suffice). Its output
/// is `α_in·δ` times those integers. The weight gradient is taken from the integer levels and the bf16 output gradient,
/// the input gradient from the integer codes.
final class QuantizedConvolutionUnit: LevelLayer {
    let weight: Parameter
    let bias: Parameter?
    var output: LevelMap { norm.output }
    var parameters: [Parameter] { [weight] + [bias].compactMap { $0 } + [norm.scale, norm.shift, norm.resolution] }
    var statistics: [NamedTensor] { [norm.runningMean, norm.runningVariance] }
    let multiplyAdds: Int

    private let convolution: QuantizedConvolution
    private let norm: NormActivationUnit
    private let acc: Buffer<Int32>  // s16 results use half of it
    private let accGradient: Buffer<UInt16>
    private let inputGradient: Buffer<UInt16>
    /// What one unit of the integer weight gradient is worth, `[O]`.
    private let units: Buffer<Float>
    private var input, shortcut: LevelMap?

    /// - Parameter gradients: working memory that all units of a network share.
    init(
        _ names: UnitNames, _ shape: ConvolutionShape, function: QuantizedReLU, weights: WeightProjection, hasBias: Bool = false,
        gradients: GradientScratch, in workshop: Workshop
    ) throws {
        let side = shape.kernel
        weight = Parameter(
            names.convolution + ".weight", .weight, shape: [shape.outputChannels, shape.input.channels, side, side],
            initial: .convolution(outputs: shape.outputChannels, kernel: side), multipliesByCodes: true)
        bias = hasBias ? Parameter(names.convolution + ".bias", .affine, shape: [shape.outputChannels]) : nil
        convolution = QuantizedConvolution(
            shape, maximumLevel: function.maximumLevel, maximumCode: weights.maximumCode, batch: workshop.batch,
            engine: workshop.engine, scratch: gradients.convolution(shape, in: workshop))
        norm = NormActivationUnit(
            norm: names.norm, activation: names.activation, function, shape.output,
            type: convolution.fitsInt16 ? CK_ACC_S16 : CK_ACC_S32, in: workshop)
        acc = Buffer(shape.output.count * workshop.batch / (convolution.fitsInt16 ? 2 : 1), zero: 0)
        inputGradient = Buffer(shape.input.count * workshop.batch, zero: 0)
        units = Buffer(shape.outputChannels, zero: 1)
        accGradient = gradients.acc
        multiplyAdds = shape.multiplyAdds
    }

    func forward(_ input: LevelMap, batch: Int, mode: Mode) throws -> LevelMap {
        try forward(input, shortcut: nil, batch: batch, mode: mode)
    }

    func forward(_ input: LevelMap, shortcut: LevelMap?, batch: Int, mode: Mode) throws -> LevelMap {
        (self.input, self.shortcut) = (input, shortcut)
        let (codes, scale) = weight.requiredCodes
        convolution.setCodes(codes, training: mode == .training)
        if convolution.fitsInt16 {
            UnsafeMutableRawPointer(acc.pointer).withMemoryRebound(to: Int16.self, capacity: batch * output.shape.count) {
                convolution.forward(levels: input.levels.pointer, output: $0, batch: batch)
            }
        } else {
            convolution.forward(levels: input.levels.pointer, output: acc.pointer, batch: batch)
        }
        return norm.forward(
            acc.pointer, unit: input.unit * scale, bias: bias?.value, shortcut: shortcut, batch: batch, mode: mode)
    }

    func backward(_ gradient: GradientMap, batch: Int) throws -> GradientMap {
        guard let input else { preconditionFailure("backward before forward") }
        let (_, scale) = weight.requiredCodes
        // δ·dy instead of dy: then the codes alone give the input gradient. All-zero weights (δ = 0) keep dy.
        let factor = scale > 0 ? scale : 1
        norm.backward(
            gradient, acc: acc.pointer, unit: input.unit * scale, factor: factor, shortcut: shortcut, accGradient: accGradient,
            batch: batch)
        units.pointer.update(repeating: input.unit / factor, count: output.shape.channels)
        convolution.backwardWeight(
            levels: input.levels.pointer, outputGradient: accGradient.pointer, units: units.pointer,
            weightGradient: weight.gradient.pointer, batch: batch)
        // Batch norm takes the mean out, so the loss does not depend on the bias.
        bias?.gradient.fill(0)
        convolution.backwardInput(outputGradient: accGradient.pointer, inputGradient: inputGradient.pointer, batch: batch)
        return GradientMap(values: inputGradient)
    }
}

/// `ResidualBlock` between maps of levels.
final class LevelResidualBlock: LevelLayer {
    private let first, second: QuantizedConvolutionUnit
    private let shortcutShape: ck_shortcut?
    private let shortcutLevels: Buffer<UInt8>?
    private let threads: Int32

    var output: LevelMap { second.output }
    var parameters: [Parameter] { first.parameters + second.parameters }
    var statistics: [NamedTensor] { first.statistics + second.statistics }
    var multiplyAdds: Int { first.multiplyAdds + second.multiplyAdds }

    init(
        _ name: String, _ input: FeatureShape, channels: Int, stride: Int, function: QuantizedReLU, weights: WeightProjection,
        gradients: GradientScratch, in workshop: Workshop
    ) throws {
        func unit(_ number: Int, _ shape: ConvolutionShape) throws -> QuantizedConvolutionUnit {
            let names = UnitNames(convolution: "\(name).conv\(number)", norm: "\(name).bn\(number)", activation: "\(name).act\(number)")
            return try QuantizedConvolutionUnit(
                names, shape, function: function, weights: weights, gradients: gradients, in: workshop)
        }
        first = try unit(1, .init(input: input, outputChannels: channels, kernel: 3, stride: stride, padding: 1))
        let inner = first.output.shape
        second = try unit(2, .init(input: inner, outputChannels: channels, kernel: 3, stride: 1, padding: 1))
        let isIdentity = stride == 1 && channels == input.channels
        shortcutShape = isIdentity
            ? nil
            : ck_shortcut(
                images: 0, height: input.height, width: input.width, channels: input.channels, stride: stride,
                pad: (channels - input.channels) / 2)
        shortcutLevels = isIdentity ? nil : Buffer(inner.count * workshop.batch, zero: 0)
        threads = workshop.threads
    }

    private func shape(_ batch: Int) -> ck_shortcut? {
        var shape = shortcutShape
        shape?.images = batch
        return shape
    }

    func forward(_ input: LevelMap, batch: Int, mode: Mode) throws -> LevelMap {
        var shortcut = input
        if let shape = shape(batch), let shortcutLevels {
            ck_level_shortcut_forward(input.levels.pointer, shortcutLevels.pointer, shape, threads)
            shortcut = LevelMap(levels: shortcutLevels, shape: second.output.shape, resolution: input.resolution)
        }
        let inner = try first.forward(input, batch: batch, mode: mode)
        return try second.forward(inner, shortcut: shortcut, batch: batch, mode: mode)
    }

    func backward(_ gradient: GradientMap, batch: Int) throws -> GradientMap {
        let inner = try second.backward(gradient, batch: batch)
        // `gradient.values` now holds the gradient in the sum, which the shortcut passes on.
        var result = try first.backward(inner, batch: batch)
        if let shape = shape(batch) {
            ck_level_shortcut_backward(gradient.values.pointer, result.values.pointer, shape, threads)
        } else {
            result.shortcut = gradient.values
        }
        return result
    }
}

/// `MaxPoolLayer` of levels: the quantized ReLU is monotone, so the maximum of values is the maximum of levels.
final class LevelMaxPool: LevelLayer {
    let output: LevelMap
    let parameters: [Parameter] = []
    let statistics: [NamedTensor] = []
    let multiplyAdds = 0
    private let shape: ck_pool
    private let winner: Buffer<UInt8>
    private let inputGradient: Buffer<UInt16>
    private let threads: Int32

    init(_ input: LevelMap, window: Int, stride: Int, padding: Int = 0, in workshop: Workshop) {
        let from = input.shape
        let to = FeatureShape(
            height: (from.height + 2 * padding - window) / stride + 1, width: (from.width + 2 * padding - window) / stride + 1,
            channels: from.channels)
        shape = ck_pool(
            images: 0, height: from.height, width: from.width, channels: from.channels, window: window, stride: stride,
            padding: padding)
        output = LevelMap(levels: Buffer(to.count * workshop.batch, zero: 0), shape: to, resolution: input.resolution)
        winner = Buffer(to.count * workshop.batch, zero: 0)
        inputGradient = Buffer(from.count * workshop.batch, zero: 0)
        threads = workshop.threads
    }

    func forward(_ input: LevelMap, batch: Int, mode: Mode) throws -> LevelMap {
        ck_level_max_forward(input.levels.pointer, output.levels.pointer, winner.pointer, shape.with(images: batch), threads)
        return output
    }

    func backward(_ gradient: GradientMap, batch: Int) throws -> GradientMap {
        precondition(gradient.shortcut == nil, "no shortcut ends at a pool")
        ck_bf16_max_backward(
            gradient.values.pointer, winner.pointer, inputGradient.pointer, shape.with(images: batch), threads)
        return GradientMap(values: inputGradient)
    }
}
