// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

extension ConvolutionShape {
    /// With output channels by sixteen.
    package var padded: ConvolutionShape {
        ConvolutionShape(
            input: input, outputChannels: paddedChannels(outputChannels), kernel: kernel, stride: stride, padding: padding)
    }

    /// Whether every row and column of the kernel meets the image somewhere.
    package var usesEveryTap: Bool {
        func isUsed(_ tap: Int, _ side: Int, _ outputs: Int) -> Bool {
            (0..<outputs).contains { (0..<side).contains($0 * stride + tap - padding) }
        }
        return (0..<kernel).allSatisfy { isUsed($0, input.height, output.height) && isUsed($0, input.width, output.width) }
    }
}

/// The first convolution of a network in mixed precision: it reads f32 images, whose few channels the own kernels do not
/// take, so oneDNN does it, or `OrderedConvolution` where bits must be the same everywhere; what follows it is a batch norm. Nothing
/// asks for the gradient in the images.
///
/// Where the processor has bf16, oneDNN's weight gradient is taken from the images rounded to bf16, and the forward pass is bf16
/// too unless maps are levels: there f32 keeps the levels those of the f32 layers. On one Zen 5 core, f32 against bf16, at
/// 32×32×3 → 64, batch 128: forward 3.7 against 2.5 ms, weight gradient 8.6 against 3.0; at 224×224×3 → 64, 7×7, stride 2,
/// batch 32: 33 against 22, and 54 against 24.
final class FirstConvolution {
    private let weight: Parameter
    let bias: Parameter?
    /// With its channels padded to sixteens.
    private let shape: ConvolutionShape
    /// The weights and their gradient, where channels are padded.
    private let padded: (weight: Tensor, gradient: Tensor)?
    /// The type of the results.
    var type: ck_number { if case .bf16 = results { CK_BF16 } else { CK_F32 } }

    private enum Results { case f32(Tensor), bf16(Buffer<UInt16>) }
    private let results: Results
    /// By oneDNN, in f32 with room for the output gradient, or in bf16 with room for the rounded images; or in a fixed order.
    private enum Kernels {
        case f32(Convolution, gradient: Tensor), bf16(Convolution, images: Buffer<UInt16>, wide: Convolution), ordered(OrderedConvolution)
    }
    private let kernels: Kernels
    private var images: Tensor?
    private let threads: Int32
    private let shards: Shards

    /// - Parameters:
    ///   - isInteger: the unit's map is of levels.
    ///   - isOrdered: the same bits on every processor.
    init(
        _ original: ConvolutionShape, weight: Parameter, bias: Parameter?, isInteger: Bool, isOrdered: Bool, in context: ExecutionContext
    ) {
        let (engine, batch) = (context.engine, context.batch)
        let shape = original.padded
        let weights = [shape.outputChannels, shape.input.channels, shape.kernel, shape.kernel]
        (self.weight, self.bias) = (weight, bias)
        padded = shape == original ? nil : (Tensor(weights), Tensor(weights))
        self.shape = shape
        // oneDNN 2.6's weight gradient in bf16 leaves taps that never meet the image as they were in its memory.
        let hasBF16 = !isOrdered && QuantizedConvolution.Path.best == .avx512 && shape.usesEveryTap
        func wide() -> Convolution { Convolution(shape, hasBias: false, engine: engine) }
        if isOrdered {
            kernels = .ordered(OrderedConvolution(shape, engine: engine))
        } else if hasBF16 {
            kernels = .bf16(
                Convolution(shape, hasBias: false, maps: .bf16, engine: engine), images: Buffer(shape.input.count * batch, zero: 0),
                wide: wide())
        } else {
            kernels = .f32(wide(), gradient: shape.output.tensor(batch: batch))
        }
        results =
            hasBF16 && !isInteger
            ? .bf16(Buffer(shape.output.count * batch, zero: 0)) : .f32(shape.output.tensor(batch: batch))
        (threads, shards) = (context.threads, context.shards)
    }

    /// The results without bias, `[N, H′, W′, O]`.
    var acc: UnsafeRawPointer {
        switch results {
        case .f32(let results): UnsafeRawPointer(results.pointer)
        case .bf16(let results): UnsafeRawPointer(results.pointer)
        }
    }

    /// Fills `acc`.
    func forward(_ images: Tensor, batch: Int) throws {
        self.images = images
        let weight = padded?.weight ?? self.weight.effective
        if padded != nil { weight.pointer.update(from: self.weight.effective.pointer, count: self.weight.value.count) }
        if case .bf16(_, let rounded, _) = kernels { ck_f32_to_bf16(images.pointer, rounded.pointer, batch * shape.input.count, threads) }
        try shards.forEach { part in
            let first = part.lowerBound * shape.output.count
            switch (kernels, results) {
            case (.bf16(let convolution, let rounded, _), .bf16(let results)):
                try convolution.forward(
                    input: rounded.pointer + part.lowerBound * shape.input.count, weight: weight, output: results.pointer + first,
                    batch: part.count)
            case (.f32(let wide, _), .f32(let results)), (.bf16(_, _, let wide), .f32(let results)):
                try wide.forward(input: images, weight: weight, bias: nil, output: results, from: part.lowerBound, batch: part.count)
            case (.ordered(let ordered), .f32(let results)):
                ordered.forward(
                    input: images.pointer + part.lowerBound * shape.input.count, weight: weight, output: results.pointer + first,
                    batch: part.count)
            case (.f32, .bf16), (.ordered, .bf16): preconditionFailure("results in bf16 are of kernels in bf16")
            }
        }
    }

    /// Fills the gradients of the parameters.
    func backward(_ gradient: Buffer<UInt16>, batch: Int) throws {
        // Batch norm takes the mean out, so the loss does not depend on the bias.
        bias?.gradient.fill(0)
        let weightGradient = padded?.gradient ?? weight.gradient
        defer { if padded != nil { weight.gradient.pointer.update(from: weightGradient.pointer, count: weight.value.count) } }
        guard let images else { preconditionFailure("backward before forward") }
        if case .f32(_, let wideGradient) = kernels {
            ck_bf16_to_f32(gradient.pointer, wideGradient.pointer, batch * shape.output.count, threads)
        }
        try shards.sum(into: [weightGradient]) { part, gradients in
            let (from, dy) = (part.lowerBound * shape.input.count, gradient.pointer + part.lowerBound * shape.output.count)
            switch kernels {
            case .bf16(let convolution, let rounded, _):
                try convolution.backwardWeight(
                    input: rounded.pointer + from, outputGradient: dy, weightGradient: gradients[0], batch: part.count)
            case .f32(let wide, let wideGradient):
                try wide.backwardWeight(
                    input: images, outputGradient: wideGradient, weightGradient: gradients[0], biasGradient: nil, from: part.lowerBound,
                    batch: part.count)
            case .ordered(let ordered):
                ordered.backwardWeight(
                    input: images.pointer + from, outputGradient: dy, weightGradient: gradients[0].pointer, batch: part.count)
            }
        }
    }
}
