// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Quantization

/// A layer between maps in mixed precision, with bf16 gradients. `Layer`'s conventions hold; the gradient that `backward` is
/// given is overwritten by what a shortcut around the layer would pass on.
protocol MixedLayer: AnyObject {
    var output: FeatureMap { get }
    var parameters: [Parameter] { get }
    var statistics: [NamedTensor] { get }
    var multiplyAdds: Int { get }
    func forward(_ input: FeatureMap, batch: Int, mode: Mode) throws -> FeatureMap
    func backward(_ gradient: GradientMap, batch: Int) throws -> GradientMap
    /// Adds what the last forward pass computed.
    func describe(in plan: inout EvaluationPlan)
}

/// Names of a unit's parts, as the reference layers have them.
struct UnitNames {
    let convolution, norm: String
    /// None where no activation follows the batch norm (a projection shortcut's).
    let activation: String?
}

/// Convolution, batch norm and activation; with a `shortcut` map added before the activation.
///
/// The convolution's output is `unit_in·δ` times its results: exact integers where maps are levels, else bf16. The weight
/// gradient is taken from the input map and the bf16 output gradient, the input gradient from the codes or bf16 weights.
final class ConvolutionUnit: MixedLayer {
    let weight: Parameter
    let bias: Parameter?
    var output: FeatureMap { norm.output }
    var parameters: [Parameter] { [weight] + [bias].compactMap { $0 } + norm.parameters }
    var statistics: [NamedTensor] { norm.statistics }
    let multiplyAdds: Int

    let names: UnitNames
    let shape: ConvolutionShape
    let norm: NormActivationUnit
    private let convolution: UnitConvolution
    private let acc: Buffer<UInt16>  // s32 results take two each
    private let accGradient, inputGradient: Buffer<UInt16>
    /// The weights' scales δ, and what one of the convolution's results and of its weight gradient is worth, `[O]`.
    private let scales, accUnits, weightUnits: Buffer<Float>
    /// Of the last forward pass.
    private(set) var input, shortcut: FeatureMap?

    init(_ names: UnitNames, _ shape: ConvolutionShape, hasBias: Bool = false, _ arithmetic: MixedArithmetic) {
        let (side, batch) = (shape.kernel, arithmetic.workshop.batch)
        (self.names, self.shape) = (names, shape)
        weight = Parameter(
            names.convolution + ".weight", .weight, shape: [shape.outputChannels, shape.input.channels, side, side],
            initial: .convolution(outputs: shape.outputChannels, kernel: side), multipliesByCodes: arithmetic.isInteger)
        bias = hasBias ? Parameter(names.convolution + ".bias", .affine, shape: [shape.outputChannels]) : nil
        convolution = arithmetic.convolution(shape)
        norm = NormActivationUnit(names, shape.output, accType: convolution.type, arithmetic)
        acc = Buffer(shape.output.count * batch * (convolution.type == CK_S32 ? 2 : 1), zero: 0)
        inputGradient = Buffer(shape.input.count * batch, zero: 0)
        accGradient = arithmetic.accGradient
        func ones() -> Buffer<Float> { Buffer(shape.outputChannels, zero: 1) }
        (scales, accUnits, weightUnits) = (ones(), ones(), ones())
        multiplyAdds = shape.multiplyAdds
    }

    func forward(_ input: FeatureMap, batch: Int, mode: Mode) throws -> FeatureMap {
        try forward(input, shortcut: nil, batch: batch, mode: mode)
    }

    func forward(_ input: FeatureMap, shortcut: FeatureMap?, batch: Int, mode: Mode) throws -> FeatureMap {
        (self.input, self.shortcut) = (input, shortcut)
        convolution.load(weight, scales: scales, training: mode == .training)
        let unit = input.unit
        for o in 0..<output.shape.channels {
            accUnits.pointer[o] = unit * scales.pointer[o]
            weightUnits.pointer[o] = unit / scales.pointer[o]
        }
        convolution.forward(input, into: acc.pointer, batch: batch)
        return norm.forward(acc.pointer, units: accUnits, bias: bias?.value, shortcut: shortcut, batch: batch, mode: mode)
    }

    func backward(_ gradient: GradientMap, batch: Int) throws -> GradientMap {
        guard let input else { preconditionFailure("backward before forward") }
        // δ·dy instead of dy: then the weights in units of δ give the input gradient.
        norm.backward(
            gradient, acc: acc.pointer, units: accUnits, factors: scales, shortcut: shortcut, accGradient: accGradient,
            batch: batch)
        convolution.backwardWeight(
            input, outputGradient: accGradient, units: weightUnits, weightGradient: weight.gradient, batch: batch)
        // Batch norm takes the mean out, so the loss does not depend on the bias.
        bias?.gradient.fill(0)
        convolution.backwardInput(outputGradient: accGradient, inputGradient: inputGradient, batch: batch)
        return GradientMap(values: inputGradient)
    }
}

/// `ResidualBlock` in mixed precision.
final class MixedResidualBlock: MixedLayer {
    enum Shortcut {
        case identity
        case subsampling(ck_shortcut, FeatureMap)
        /// 1×1 convolution and batch norm: values, not levels.
        case projection(ConvolutionUnit)
    }

    let first, second: ConvolutionUnit
    let shortcut: Shortcut
    private let threads: Int32

    let parameters: [Parameter]
    let statistics: [NamedTensor]
    let multiplyAdds: Int
    var output: FeatureMap { second.output }

    /// - Parameters:
    ///   - input: the map that `forward` will be given.
    ///   - isProjected: where the shape changes, the shortcut is a projection, not a subsampling.
    init(
        _ name: String, _ input: FeatureMap, channels: Int, stride: Int, isProjected: Bool = false, _ arithmetic: MixedArithmetic
    ) {
        func unit(_ number: Int, _ shape: ConvolutionShape) -> ConvolutionUnit {
            let names = UnitNames(convolution: "\(name).conv\(number)", norm: "\(name).bn\(number)", activation: "\(name).act\(number)")
            return ConvolutionUnit(names, shape, arithmetic)
        }
        let outer = input.shape
        let activationParameters = arithmetic.activation == .relu ? 0 : 1
        first = unit(1, .init(input: outer, outputChannels: channels, kernel: 3, stride: stride, padding: 1))
        let inner = first.output.shape
        second = unit(2, .init(input: inner, outputChannels: channels, kernel: 3, stride: 1, padding: 1))
        if stride == 1 && channels == outer.channels {
            shortcut = .identity
        } else if isProjected {
            shortcut = .projection(
                ConvolutionUnit(
                    UnitNames(convolution: "\(name).downsample.0", norm: "\(name).downsample.1", activation: nil),
                    .init(input: outer, outputChannels: channels, kernel: 1, stride: stride, padding: 0), arithmetic))
        } else {
            let shape = ck_shortcut(
                images: 0, height: outer.height, width: outer.width, channels: outer.channels, stride: stride,
                pad: (channels - outer.channels) / 2)
            shortcut = .subsampling(
                shape, FeatureMap(inner, input.type, resolution: input.resolution, batch: arithmetic.workshop.batch))
        }
        var around: ConvolutionUnit?
        if case .projection(let unit) = shortcut { around = unit }
        // In the order of the f32 layers, which initial values depend on: the last activation after the projection.
        parameters = first.parameters + second.parameters.dropLast(activationParameters) + (around?.parameters ?? [])
            + second.parameters.suffix(activationParameters)
        statistics = first.statistics + second.statistics + (around?.statistics ?? [])
        multiplyAdds = [first, second, around].reduce(0) { $0 + ($1?.multiplyAdds ?? 0) }
        threads = arithmetic.workshop.threads
    }

    func forward(_ input: FeatureMap, batch: Int, mode: Mode) throws -> FeatureMap {
        let inner = try first.forward(input, batch: batch, mode: mode)
        let around: FeatureMap
        switch shortcut {
        case .identity: around = input
        case .subsampling(let shape, let map):
            ck_map_shortcut_forward(input.pointer, map.pointer, input.type, shape.with(images: batch), threads)
            around = map
        case .projection(let unit): around = try unit.forward(input, batch: batch, mode: mode)
        }
        return try second.forward(inner, shortcut: around, batch: batch, mode: mode)
    }

    func backward(_ gradient: GradientMap, batch: Int) throws -> GradientMap {
        let inner = try second.backward(gradient, batch: batch)
        // `gradient.values` now holds the gradient in the sum, which the shortcut passes on.
        var result = try first.backward(inner, batch: batch)
        switch shortcut {
        case .identity: result.shortcut = gradient.values
        case .subsampling(let shape, _):
            ck_map_shortcut_backward(gradient.values.pointer, result.values.pointer, shape.with(images: batch), threads)
        case .projection(let unit):
            result.shortcut = try unit.backward(GradientMap(values: gradient.values), batch: batch).values
        }
        return result
    }
}

/// `MaxPoolLayer` in mixed precision, of maps that an activation made: they are not negative. The quantized ReLU is monotone,
/// so the maximum of values is the maximum of levels.
final class MixedMaxPool: MixedLayer {
    let output: FeatureMap
    let parameters: [Parameter] = []
    let statistics: [NamedTensor] = []
    let multiplyAdds = 0
    let shape: ck_pool
    private(set) var input: FeatureMap?
    private let winner: Buffer<UInt8>
    private let inputGradient: Buffer<UInt16>
    private let threads: Int32

    init(_ input: FeatureMap, window: Int, stride: Int, padding: Int = 0, in workshop: Workshop) {
        let from = input.shape
        let to = FeatureShape(
            height: (from.height + 2 * padding - window) / stride + 1, width: (from.width + 2 * padding - window) / stride + 1,
            channels: from.channels)
        shape = ck_pool(
            images: 0, height: from.height, width: from.width, channels: from.channels, window: window, stride: stride,
            padding: padding)
        output = FeatureMap(to, input.type, resolution: input.resolution, batch: workshop.batch)
        winner = Buffer(to.count * workshop.batch, zero: 0)
        inputGradient = Buffer(from.count * workshop.batch, zero: 0)
        threads = workshop.threads
    }

    func forward(_ input: FeatureMap, batch: Int, mode: Mode) throws -> FeatureMap {
        self.input = input
        let shape = shape.with(images: batch)
        if input.type == CK_U8 {
            ck_level_max_forward(input.levels, output.pointer.assumingMemoryBound(to: UInt8.self), winner.pointer, shape, threads)
        } else {
            ck_bf16_max_forward(input.bf16, output.pointer.assumingMemoryBound(to: UInt16.self), winner.pointer, shape, threads)
        }
        return output
    }

    func backward(_ gradient: GradientMap, batch: Int) throws -> GradientMap {
        if let other = gradient.shortcut {
            ck_bf16_add(other.pointer, gradient.values.pointer, batch * output.shape.count, threads)
        }
        ck_bf16_max_backward(
            gradient.values.pointer, winner.pointer, inputGradient.pointer, shape.with(images: batch), threads)
        return GradientMap(values: inputGradient)
    }
}
