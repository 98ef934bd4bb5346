// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import COneDNN
import Graph

extension FeatureShape {
    /// A tensor of `[batch, H, W, C]`.
    public func tensor(batch: Int) -> Tensor { Tensor([batch, height, width, channels]) }
}

/// The three passes of a convolution by oneDNN, on channels-last maps and `[O, I, K, K]` weights:
///
///     forward   y[n,h,w,o]  = b[o] + Σ_{i,r,s} x[n, h·stride+r−pad, w·stride+s−pad, i] · W[o,i,r,s]
///     backward  dx          = the adjoint of x ↦ y, applied to dy
///               dW, db      = the gradients of Σ y·dy in W and b (overwritten, not accumulated)
///
/// Maps are f32, or bf16 (without bias, and without the input gradient): then the weights are rounded to bf16, sums are f32,
/// and the weight gradient stays f32. Weights are copied into oneDNN's preferred layout at each call: they change at every
/// step.
public final class Convolution {
    /// The numbers of the maps and their gradients.
    public enum Maps: Sendable {
        case f32
        /// Needs AVX-512; fast with AVX512_BF16.
        case bf16
    }

    public let shape: ConvolutionShape
    public let hasBias: Bool
    public let maps: Maps
    private let engine: Engine
    /// Of a strided 1×1 convolution: the same of the pixels that it reads alone, and room for these.
    private let dense: Convolution?
    private var pixels: Tensor?
    private var plans: [Int: ConvolutionPlan] = [:]

    public init(_ shape: ConvolutionShape, hasBias: Bool, maps: Maps = .f32, engine: Engine) {
        precondition(maps == .f32 || !hasBias)
        (self.shape, self.hasBias, self.maps, self.engine) = (shape, hasBias, maps, engine)
        let read = FeatureShape(height: shape.output.height, width: shape.output.width, channels: shape.input.channels)
        dense =
            shape.kernel > 1 || shape.stride == 1 || shape.padding > 0
            ? nil
            : Convolution(
                ConvolutionShape(input: read, outputChannels: shape.outputChannels, kernel: 1, stride: 1, padding: 0), hasBias: hasBias,
                maps: maps, engine: engine)
    }

    /// Shapes: `input [≥first + batch, H, W, I]`, `weight [O, I, K, K]`, `bias [O]`, `output [≥first + batch, H′, W′, O]`.
    /// - Parameters:
    ///   - input: the images.
    ///   - weight: the kernels.
    ///   - bias: added to each channel; nil for none.
    ///   - output: what is written.
    ///   - first: image of those that are read and written.
    ///   - batch: images to convolve.
    public func forward(input: Tensor, weight: Tensor, bias: Tensor?, output: Tensor, from first: Int = 0, batch: Int) throws {
        precondition((bias != nil) == hasBias && maps == .f32)
        try forward(input.pointer + first * shape.input.count, weight, bias, output.pointer + first * shape.output.count, batch: batch)
    }

    /// As above, with bf16 maps.
    public func forward(
        input: UnsafeMutablePointer<UInt16>, weight: Tensor, output: UnsafeMutablePointer<UInt16>, batch: Int
    ) throws {
        precondition(maps == .bf16)
        try forward(input, weight, nil, output, batch: batch)
    }

    private func forward(
        _ input: UnsafeMutableRawPointer, _ weight: Tensor, _ bias: Tensor?, _ output: UnsafeMutableRawPointer, batch: Int
    ) throws {
        let pass = try plan(batch).forward()
        try pass.weightPlain.point(at: weight.pointer)
        try pass.reorder?.execute(on: engine)
        try pass.source.point(at: input)
        try pass.target.point(at: output)
        if let bias { try pass.bias?.point(at: bias.pointer) }
        try pass.primitive.execute(on: engine)
    }

    public func backwardInput(outputGradient: Tensor, weight: Tensor, inputGradient: Tensor, from first: Int = 0, batch: Int) throws {
        precondition(maps == .f32)
        let pass = try plan(batch).backwardInput()
        try pass.weightPlain.point(at: weight.pointer)
        try pass.reorder?.execute(on: engine)
        try pass.source.point(at: inputGradient.pointer + first * shape.input.count)
        try pass.target.point(at: outputGradient.pointer + first * shape.output.count)
        try pass.primitive.execute(on: engine)
    }

    public func backwardWeight(
        input: Tensor, outputGradient: Tensor, weightGradient: Tensor, biasGradient: Tensor?, from first: Int = 0, batch: Int
    ) throws {
        precondition((biasGradient != nil) == hasBias && maps == .f32)
        try backwardWeight(
            input.pointer + first * shape.input.count, outputGradient.pointer + first * shape.output.count, weightGradient, biasGradient,
            batch: batch)
    }

    /// As above, with bf16 maps.
    public func backwardWeight(
        input: UnsafeMutablePointer<UInt16>, outputGradient: UnsafeMutablePointer<UInt16>, weightGradient: Tensor, batch: Int
    ) throws {
        precondition(maps == .bf16)
        try backwardWeight(input, outputGradient, weightGradient, nil, batch: batch)
    }

    private func backwardWeight(
        _ input: UnsafeMutableRawPointer, _ outputGradient: UnsafeMutableRawPointer, _ weightGradient: Tensor,
        _ biasGradient: Tensor?, batch: Int
    ) throws {
        if let dense {
            let pixels = readPixels(input, dense.shape.input, batch: batch)
            return try dense.backwardWeight(pixels, outputGradient, weightGradient, biasGradient, batch: batch)
        }
        let pass = try plan(batch).backwardWeight()
        try pass.weightPlain.point(at: weightGradient.pointer)
        try pass.source.point(at: input)
        try pass.target.point(at: outputGradient)
        if let biasGradient { try pass.bias?.point(at: biasGradient.pointer) }
        try pass.primitive.execute(on: engine)
        try pass.reorder?.execute(on: engine)
    }

    /// oneDNN 2.6 writes up to 16 kB beyond its own memory in the weight gradient of a strided 1×1 convolution of few channels, so it is
    /// given the pixels that are read, and no stride.
    private func readPixels(_ input: UnsafeMutableRawPointer, _ read: FeatureShape, batch: Int) -> UnsafeMutableRawPointer {
        let room = pixels.flatMap { $0.count < batch * read.count ? nil : $0 } ?? read.tensor(batch: batch)
        pixels = room
        ck_map_shortcut_forward(
            input, room.pointer, maps == .f32 ? CK_F32 : CK_BF16,
            ck_shortcut(
                images: batch, height: shape.input.height, width: shape.input.width, channels: read.channels, stride: shape.stride, pad: 0),
            Int32(engine.threads))
        return UnsafeMutableRawPointer(room.pointer)
    }

    private func plan(_ batch: Int) throws -> ConvolutionPlan {
        if let plan = plans[batch] { return plan }
        let plan = try ConvolutionPlan(
            shape, hasBias: hasBias, maps: maps == .f32 ? dnnl_f32 : dnnl_bf16, batch: batch, engine: engine)
        plans[batch] = plan
        return plan
    }
}
