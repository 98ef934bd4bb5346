// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// A convolution of the images, in f32 or bf16, with its batch norm and activation. Evaluation computes levels of quantized weights by
/// exact sums of the images' bytes, as packed models do.
final class FirstUnit {
    private let convolution: FirstConvolution
    private let norm: NormActivationUnit
    private let ofBytes: ByteConvolution?
    private let accGradient: Buffer<UInt16>
    /// What one of the convolution's results is worth, of each channel.
    private let ones: Buffer<Float>
    private var shortcut: FeatureMap?
    var output: FeatureMap { norm.output }

    /// - Parameter images: how they were made of bytes; `nil` for others.
    init(
        _ index: Int, of plan: LowPrecisionPlan, _ tensors: Parameters, images: ByteImages?, accGradient: Buffer<UInt16>,
        in context: ExecutionContext
    ) {
        let unit = plan.units[index], isInteger = plan.types[index] == CK_U8
        convolution = FirstConvolution(
            plan.shape(index), weight: tensors[unit.name + ".weight"], bias: tensors.optional(unit.name + ".bias"), isInteger: isInteger,
            isOrdered: plan.gradients == .s16, in: context)
        norm = NormActivationUnit(
            unit, plan.graph, tensors, mapType: plan.types[index], accType: convolution.type, isOrdered: plan.gradients == .s16, in: context
        )
        let convolved = plan.shape(index).padded, weight = tensors[unit.name + ".weight"], threads = context.threads
        ofBytes =
            isInteger && norm.roundingOffset != nil && unit.shortcut == .none
            ? ByteConvolution(convolved, weight: weight, images: images, qmax: norm.qmax, threads: threads) : nil
        (ones, self.accGradient) = (Buffer(unit.output.padded.channels, zero: 1), accGradient)
    }

    func forward(_ images: Tensor, shortcut: FeatureMap?, batch: Int, mode: Mode) throws -> FeatureMap {
        self.shortcut = shortcut
        if mode == .evaluation, let ofBytes {
            let levels = norm.output.pointer.assumingMemoryBound(to: UInt8.self)
            ofBytes.forward(images, folded: norm.folded(bias: convolution.bias?.value), into: levels, batch: batch)
            return norm.output
        }
        try convolution.forward(images, batch: batch)
        return try norm.forward(convolution.acc, units: ones, bias: convolution.bias?.value, shortcut: shortcut, batch: batch, mode: mode)
    }

    func backward(_ gradient: GradientMap, batch: Int) throws {
        _ = try norm.backward(
            gradient, acc: convolution.acc, units: ones, factors: ones, shortcut: shortcut, into: .bf16(accGradient), batch: batch)
        try convolution.backward(accGradient, batch: batch)
    }
}
