// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// The three passes of a convolution in a quantized network, by the project's own kernels: levels u8 times codes s8 forward,
/// exact; gradients in bf16 with f32 sums. Kernel side 1 or 3 with half of it as padding, stride 1 or 2, channels multiples
/// of 16. The formulas are at `conv3x3.h`; the plain loops beside the kernels are their reference.
public final class QuantizedConvolution {
    public let shape: ConvolutionShape
    /// Whether the forward results fit in 16 bits and are written so: `I·K²·maximumLevel·maximumCode ≤ 32 767`.
    public let usesInt16: Bool

    private let threads: Int32
    private let path = ck_conv_best_path()
    private let packedForward, packedBackward, scratch: UnsafeMutableRawPointer

    /// - Parameter batch: the largest number of images; all memory is planned here.
    public init(_ shape: ConvolutionShape, maximumLevel: Int, maximumCode: Int, batch: Int, engine: Engine) {
        precondition([1, 3].contains(shape.kernel) && shape.padding == shape.kernel / 2 && [1, 2].contains(shape.stride))
        precondition(shape.input.channels % 16 == 0 && shape.outputChannels % 16 == 0, "channels come by sixteen")
        self.shape = shape
        usesInt16 = shape.input.channels * shape.kernel * shape.kernel * maximumLevel * maximumCode <= Int(Int16.max)
        threads = Int32(engine.threads)
        let c = Self.kernelShape(shape, batch)
        func room(_ bytes: Int) -> UnsafeMutableRawPointer { .allocate(byteCount: max(bytes, 64), alignment: 64) }
        packedForward = room(ck_conv_packed_forward_bytes(c))
        packedBackward = room(ck_conv_packed_backward_bytes(c))
        scratch = room(ck_conv_weight_scratch_bytes(c, threads))
    }

    deinit { [packedForward, packedBackward, scratch].forEach { $0.deallocate() } }

    private static func kernelShape(_ shape: ConvolutionShape, _ batch: Int) -> ck_conv {
        ck_conv(
            images: batch, height: shape.input.height, width: shape.input.width, input_channels: shape.input.channels,
            output_channels: shape.outputChannels, kernel: shape.kernel, stride: shape.stride)
    }

    /// Lays the codes `[O, I, K, K]` out for the passes; they hold until the next call.
    public func pack(codes: UnsafePointer<Int8>) {
        ck_conv_pack(codes, Self.kernelShape(shape, 1), packedForward, packedBackward, threads)
    }

    /// - Parameter output: `[batch, H′, W′, O]`, `Int16` where `usesInt16`, else `Int32`.
    public func forward(levels: UnsafePointer<UInt8>, output: UnsafeMutableRawPointer, batch: Int) {
        let (c, count) = (Self.kernelShape(shape, batch), batch * shape.output.count)
        if usesInt16 {
            ck_conv_forward_s16(levels, packedForward, output.bindMemory(to: Int16.self, capacity: count), c, path, threads)
        } else {
            ck_conv_forward_s32(levels, packedForward, output.bindMemory(to: Int32.self, capacity: count), c, path, threads)
        }
    }

    /// Gradients are bf16: the upper halves of f32 numbers.
    public func backwardInput(outputGradient: UnsafePointer<UInt16>, inputGradient: UnsafeMutablePointer<UInt16>, batch: Int) {
        ck_conv_input_gradient_bf16(outputGradient, packedBackward, inputGradient, Self.kernelShape(shape, batch), path, threads)
    }

    /// - Parameter weightGradient: `[O, I, K, K]`, overwritten.
    public func backwardWeight(
        levels: UnsafePointer<UInt8>, outputGradient: UnsafePointer<UInt16>, weightGradient: UnsafeMutablePointer<Float>, batch: Int
    ) {
        ck_conv_weight_gradient(
            levels, outputGradient, weightGradient, scratch, Self.kernelShape(shape, batch), path, threads)
    }
}
