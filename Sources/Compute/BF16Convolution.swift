// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Graph

/// A convolution of bf16 maps with weights rounded to bf16, and its two gradients, with f32 sums, by this project's own
/// kernels (those of `QuantizedConvolution`'s gradients):
///
///     forward   y[n,h,w,o]  = Σ_{i,r,s} x[n, h·stride+r−pad, w·stride+s−pad, i] · W[o,i,r,s]
///     backward  dx          = the adjoint of x ↦ y, applied to dy
///               dW          = the gradient of Σ y·dy in W (overwritten, not accumulated)
///
/// with `x`, `y`, `dx`, `dy` bf16 `[N, H, W, I]` etc. as in `Tensor`, and `dW` f32. A bf16 number is the upper half of an
/// f32's bits; products are exact, sums are f32, and bf16 results are rounded to nearest even.
///
/// Measured on one Zen 5 core over the 3×3 layers of ResNets and VGG: 390–490 GFLOP/s forward and in the input gradient,
/// 290–460 in the weight gradient, where oneDNN 2.6's bf16 has 210–460 and 70–400, and its f32 60–240.
///
/// Nothing is allocated after `init`. Results repeat bit for bit on the same machine; only the last bits of `dW` depend on
/// the engine's thread count, and the last bits of all on the path.
public final class BF16Convolution {
    public let shape: ConvolutionShape
    public let path: QuantizedConvolution.Path

    private let batch: Int
    private let threads: Int32
    private let packedForward, packedBackward: UnsafeMutableRawBufferPointer
    private let scratch: ConvolutionScratch

    /// - Parameters:
    ///   - shape: one that `QuantizedConvolution.supports`.
    ///   - batch: the largest number of images of a call.
    ///   - engine: whose threads compute.
    ///   - path: the instruction set, one that this processor has.
    ///   - scratch: as for `QuantizedConvolution`, with which it may be shared.
    public init(
        _ shape: ConvolutionShape, batch: Int, engine: Engine, path: QuantizedConvolution.Path = .best,
        scratch: ConvolutionScratch? = nil
    ) {
        precondition(QuantizedConvolution.supports(shape), "no kernel for \(shape)")
        precondition(batch >= 1)
        precondition(path.isAvailable, "this processor lacks the path's instructions")
        (self.shape, self.path, self.batch, threads) = (shape, path, batch, Int32(engine.threads))
        let bytes = ck_conv_packed_backward_bytes(QuantizedConvolution.sizes(shape, batch: batch))
        packedForward = .allocate(byteCount: bytes, alignment: 64)
        packedBackward = .allocate(byteCount: bytes, alignment: 64)
        let needed = QuantizedConvolution.scratchBytes(shape, batch: batch, engine: engine)
        self.scratch = scratch ?? ConvolutionScratch(bytes: needed)
        precondition(self.scratch.bytes >= needed, "\(self.scratch.bytes) bytes of scratch where \(needed) are needed")
    }

    deinit {
        packedForward.deallocate()
        packedBackward.deallocate()
    }

    /// Takes over `factor·weights`, `[O, I, K, K]`, rounded to bf16, for the passes that follow; to be called whenever they
    /// have changed. With weights `δ·q`, q integers up to 127, and the factor 1/δ these are exactly q.
    /// - Parameters:
    ///   - weights: `[O, I, K, K]`.
    ///   - factor: what they are multiplied by before they are rounded.
    ///   - training: false leaves `backwardInput` with the weights it had.
    public func setWeights(_ weights: UnsafePointer<Float>, factor: Float = 1, training: Bool = true) {
        ck_conv_pack_bf16(
            weights, factor, sizes(batch), packedForward.baseAddress, training ? packedBackward.baseAddress : nil, threads)
    }

    /// `input [≥batch, H, W, I]` to `output [≥batch, H′, W′, O]`.
    public func forward(input: UnsafePointer<UInt16>, output: UnsafeMutablePointer<UInt16>, batch: Int) {
        ck_conv_forward_bf16(input, packedForward.baseAddress, output, sizes(batch), path.kernel, threads)
    }

    /// `outputGradient [≥batch, H′, W′, O]` to `inputGradient [≥batch, H, W, I]`.
    public func backwardInput(outputGradient: UnsafePointer<UInt16>, inputGradient: UnsafeMutablePointer<UInt16>, batch: Int) {
        ck_conv_input_gradient_bf16(outputGradient, packedBackward.baseAddress, inputGradient, sizes(batch), path.kernel, threads)
    }

    /// `input [≥batch, H, W, I]` and `outputGradient [≥batch, H′, W′, O]` to `weightGradient [O, I, K, K]`, output channel `o`
    /// multiplied by `units[o]`.
    public func backwardWeight(
        input: UnsafePointer<UInt16>, outputGradient: UnsafePointer<UInt16>, units: UnsafePointer<Float>,
        weightGradient: UnsafeMutablePointer<Float>, batch: Int
    ) {
        ck_conv_weight_gradient_bf16(
            input, outputGradient, units, weightGradient, scratch.pointer, sizes(batch), path.kernel, threads)
    }

    private func sizes(_ batch: Int) -> ck_conv {
        precondition(1...self.batch ~= batch, "\(batch) images in a convolution planned for \(self.batch)")
        return QuantizedConvolution.sizes(shape, batch: batch)
    }
}
