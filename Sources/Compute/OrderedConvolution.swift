// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Graph

/// The convolution of a network's images in f32, each sum in an order that the shape alone decides, by multiply-adds of one
/// rounding: the same bits on every processor and for any number of threads. Outputs are multiples of 16.
///
///     forward   y[n,h,w,o]  = Σ_{r,s,i} x[n, h·stride+r−pad, w·stride+s−pad, i] · W[o,i,r,s]
///     backward  dW          = the gradient of Σ y·dy in W (overwritten), dy in bf16
public final class OrderedConvolution {
    private let shape: ConvolutionShape
    private let packed, scratch: Tensor
    private let threads: Int32

    public init(_ shape: ConvolutionShape, engine: Engine) {
        precondition(shape.outputChannels % 16 == 0, "outputs by sixteen")
        (self.shape, threads) = (shape, Int32(engine.threads))
        packed = Tensor([shape.outputChannels * shape.input.channels * shape.kernel * shape.kernel])
        scratch = Tensor([ck_first_conv_scratch_floats(Self.sizes(shape, batch: 1), threads)])
    }

    /// `input [≥batch, H, W, I]` to `output [≥batch, H′, W′, O]`, with weights `[O, I, K, K]`.
    public func forward(input: UnsafePointer<Float>, weight: Tensor, output: UnsafeMutablePointer<Float>, batch: Int) {
        let sizes = Self.sizes(shape, batch: batch)
        ck_first_conv_pack(weight.pointer, sizes, packed.pointer)
        ck_first_conv_forward(input, packed.pointer, output, sizes, scratch.pointer, threads)
    }

    /// `weightGradient [O, I, K, K]` from the input and `outputGradient [≥batch, H′, W′, O]` in bf16.
    public func backwardWeight(
        input: UnsafePointer<Float>, outputGradient: UnsafePointer<UInt16>, weightGradient: UnsafeMutablePointer<Float>, batch: Int
    ) {
        ck_first_conv_weight_gradient(input, outputGradient, weightGradient, Self.sizes(shape, batch: batch), threads)
    }

    private static func sizes(_ shape: ConvolutionShape, batch: Int) -> ck_first_conv {
        ck_first_conv(
            images: batch, height: shape.input.height, width: shape.input.width, channels: shape.input.channels,
            outputs: shape.outputChannels,
            kernel: shape.kernel, stride: shape.stride, padding: shape.padding)
    }
}
