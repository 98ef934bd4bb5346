// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// A unit between maps, with bf16 gradients. `Layer`'s conventions hold; the gradient that `backward` is given is overwritten by
/// what a shortcut around the unit passes on.
protocol LowPrecisionUnit: AnyObject {
    var output: FeatureMap { get }
    func forward(_ input: FeatureMap, shortcut: FeatureMap?, batch: Int, mode: Mode) throws -> FeatureMap
    func backward(_ gradient: GradientMap, batch: Int) throws -> Buffer<UInt16>
}

/// Convolution, batch norm and activation; with a `shortcut` map added before the activation.
///
/// The convolution's output is `unit_in·δ` times its results: exact integers where maps are levels, else bf16. The weight
/// gradient is taken from the input map and the output gradient, the input gradient from the integer weights or bf16 weights.
final class ConvNormActivation: LowPrecisionUnit {
    private let bias: Parameter?
    private let norm: NormActivationUnit
    private let convolution: UnitConvolution
    private let acc: Buffer<UInt16>  // s32 results take two each
    private let accGradient: AccGradient
    private let inputGradient: Buffer<UInt16>
    /// The weights' scales δ, and what one of the convolution's results and of its weight gradient is worth, of each channel.
    private let scales, accUnits, weightUnits: Buffer<Float>
    /// Of the last forward pass.
    private var input, shortcut: FeatureMap?
    var output: FeatureMap { norm.output }

    /// - Parameters:
    ///   - accGradient: room for the gradient in the convolution's output; units, whose backward passes follow one another, share it.
    ///   - scratch: as for `UnitConvolution`.
    init(
        _ index: Int, of plan: LowPrecisionPlan, _ tensors: Parameters, accGradient: Buffer<UInt16>, scratch: (Int) -> ConvolutionScratch,
        in context: ExecutionContext
    ) {
        let unit = plan.units[index], shape = plan.shape(index)
        bias = tensors.optional(unit.name + ".bias")
        convolution = UnitConvolution(
            shape, weight: tensors[unit.name + ".weight"], levels: plan.isInteger(index) ? plan.qmax(readBy: index) : nil,
            gradients: plan.gradients, scratch: scratch, in: context)
        norm = NormActivationUnit(
            unit, plan.graph, tensors, mapType: plan.types[index], accType: convolution.type,
            isOrdered: plan.gradients == .s16, in: context)
        let (padded, batch) = (unit.output.padded, context.batch)
        acc = Buffer(padded.count * batch * (convolution.type == CK_S32 ? 2 : 1), zero: 0)
        inputGradient = Buffer(shape.input.padded.count * batch, zero: 0)
        self.accGradient = convolution.gradientLimit.map { .s16(accGradient, limit: $0) } ?? .bf16(accGradient)
        func ones() -> Buffer<Float> { Buffer(padded.channels, zero: 1) }
        (scales, accUnits, weightUnits) = (ones(), ones(), ones())
    }

    func forward(_ input: FeatureMap, shortcut: FeatureMap?, batch: Int, mode: Mode) throws -> FeatureMap {
        (self.input, self.shortcut) = (input, shortcut)
        convolution.load(scales: scales, training: mode == .training)
        let unit = input.unit
        for o in 0..<output.shape.channels {
            accUnits.pointer[o] = unit * scales.pointer[o]
            weightUnits.pointer[o] = unit / scales.pointer[o]
        }
        convolution.forward(input, into: acc.pointer, batch: batch)
        return try norm.forward(acc.pointer, units: accUnits, bias: bias?.value, shortcut: shortcut, batch: batch, mode: mode)
    }

    func backward(_ gradient: GradientMap, batch: Int) throws -> Buffer<UInt16> {
        guard let input else { preconditionFailure("backward before forward") }
        // δ·dy instead of dy: then the weights in units of δ give the input gradient.
        let scale = try norm.backward(
            gradient, acc: acc.pointer, units: accUnits, factors: scales, shortcut: shortcut, into: accGradient, batch: batch)
        convolution.backwardWeight(input, outputGradient: accGradient, scale: scale, units: weightUnits)
        // Batch norm takes the mean out, so the loss does not depend on the bias.
        bias?.gradient.fill(0)
        convolution.backwardInput(outputGradient: accGradient, scale: scale, inputGradient: inputGradient, batch: batch)
        return inputGradient
    }
}
