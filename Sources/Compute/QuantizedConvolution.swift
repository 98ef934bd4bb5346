// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Graph

/// A convolution of integer levels with integer weights, and its two gradients, in bf16 with f32 sums or in exact integers, by this
/// project's own kernels.
///
/// A quantized layer computes `α·δ·y`, where `x` are its input's levels (0…2^b − 1, in units of the input's step size
/// α), `q` the integer weights of its weights (in units of their scale δ), and, with `[N, H, W, I]` etc. as in `Tensor`,
///
///     forward   y[n,h,w,o]  = Σ_{i,r,s} x[n, h·stride+r−pad, w·stride+s−pad, i] · q[o,i,r,s]   exactly
///     backward  dx          = the adjoint of x ↦ y, applied to dy
///               dq          = the gradient of Σ y·dy in q (overwritten, not accumulated)
///
/// The gradients are those in levels and integer weights: the caller folds α and δ into `dy`, or into the results. A bf16 number
/// is the upper half of an f32's bits; products are exact, sums are f32, and bf16 results are rounded to nearest even.
///
/// With `Gradients.s16`, dy is `scale` times integers of 16 bits up to `gradientLimit`, all sums are exact, and each result is rounded
/// from its sum: the same bits on every path and for any number of threads.
///
/// Nothing is allocated after `init`. Results repeat bit for bit on the same machine; from bf16 only the last bits of `dq`
/// depend on the engine's thread count, and the last bits of both gradients on the path.
public final class QuantizedConvolution {
    /// How the arithmetic is done.
    public enum Path: CaseIterable, Sendable {
        /// Plain C, correct on every processor.
        case portable
        /// AVX2, bf16 widened to f32; its bits are those of plain C compiled for AVX2.
        case avx2
        /// AVX-512 with VNNI and BF16.
        case avx512

        /// The fastest that this processor has; it has those before it too.
        public static var best: Path { allCases.first { $0.kernel == ck_conv_best_path() } ?? .portable }

        var isAvailable: Bool { kernel.rawValue <= ck_conv_best_path().rawValue }

        var kernel: ck_conv_path {
            switch self {
            case .portable: CK_CONV_PORTABLE
            case .avx2: CK_CONV_AVX2
            case .avx512: CK_CONV_AVX512
            }
        }
    }

    /// What the gradients of the results are made of.
    public enum Gradients: Sendable {
        case bf16, s16

        var kernel: ck_conv_gradients { self == .s16 ? CK_GRADIENTS_S16 : CK_GRADIENTS_BF16 }
    }

    public let shape: ConvolutionShape
    public let path: Path
    public let gradients: Gradients
    /// The largest magnitude of dy's integers of 16 bits: O·K²·gradientLimit·maximumIntegerWeight fits 32 bits.
    public let gradientLimit: Int
    /// Whether every sum of the forward pass fits an `Int16`: I·K²·qmax·maximumIntegerWeight ≤ 32 767.
    public let fitsInt16: Bool

    private let batch, qmax: Int
    private let threads: Int32
    private let packedForward, packedBackward: UnsafeMutableRawBufferPointer
    private let scratch: ConvolutionScratch

    /// Whether the kernels know `shape`: 3×3 with padding 1 or 1×1 without, stride 1 or 2, channels in multiples of 16.
    public static func supports(_ shape: ConvolutionShape) -> Bool {
        (shape.kernel == 3 || shape.kernel == 1) && shape.padding == shape.kernel / 2
            && (shape.stride == 1 || shape.stride == 2)
            && shape.input.channels % 16 == 0 && shape.outputChannels % 16 == 0
    }

    /// - Parameters:
    ///   - shape: one that `supports`.
    ///   - qmax: the largest level, 1…255.
    ///   - maximumIntegerWeight: the largest magnitude of an integer weight, 1…127.
    ///   - batch: the largest number of images of a call.
    ///   - gradients: the arithmetic of the backward passes.
    ///   - engine: whose threads compute.
    ///   - path: the instruction set, one that this processor has.
    ///   - scratch: working memory to share with other convolutions that run at other times; `nil` makes its own.
    public init(
        _ shape: ConvolutionShape, qmax: Int, maximumIntegerWeight: Int, batch: Int, gradients: Gradients = .bf16, engine: Engine,
        path: Path = .best, scratch: ConvolutionScratch? = nil
    ) {
        precondition(Self.supports(shape), "no kernel for \(shape)")
        precondition(1...255 ~= qmax && 1...127 ~= maximumIntegerWeight && batch >= 1)
        let largestSum = shape.input.channels * shape.kernel * shape.kernel * qmax * maximumIntegerWeight
        precondition(largestSum <= Int(Int32.max), "sums of \(shape) may exceed 32 bits")
        precondition(path.isAvailable, "this processor lacks the path's instructions")
        (self.shape, self.path, self.gradients, self.batch, self.qmax, threads) = (
            shape, path, gradients, batch, qmax, Int32(engine.threads)
        )
        fitsInt16 = largestSum <= Int(Int16.max)
        let sizes = Self.sizes(shape, batch: batch)
        gradientLimit = Int(ck_conv_s16_limit(sizes, Int32(maximumIntegerWeight)))
        packedForward = .allocate(byteCount: ck_conv_packed_forward_bytes(sizes), alignment: 64)
        packedBackward = .allocate(byteCount: ck_conv_packed_backward_bytes(sizes), alignment: 64)
        let needed = Self.scratchBytes(shape, batch: batch, gradients: gradients, engine: engine)
        self.scratch = scratch ?? ConvolutionScratch(bytes: needed)
        precondition(self.scratch.bytes >= needed, "\(self.scratch.bytes) bytes of scratch where \(needed) are needed")
    }

    deinit {
        packedForward.deallocate()
        packedBackward.deallocate()
    }

    /// The scratch that a convolution of this shape needs.
    public static func scratchBytes(_ shape: ConvolutionShape, batch: Int, gradients: Gradients = .bf16, engine: Engine) -> Int {
        let sizes = sizes(shape, batch: batch), threads = Int32(engine.threads)
        return gradients == .s16 ? ck_conv_weight_scratch_bytes_s16(sizes, threads) : ck_conv_weight_scratch_bytes(sizes, threads)
    }

    /// Takes over the integer weights `[O, I, K, K]` for the passes that follow; to be called whenever they have changed.
    /// - Parameters:
    ///   - integerWeights: `[O, I, K, K]`, of magnitudes up to `maximumIntegerWeight`.
    ///   - training: false leaves `backwardInput` with the integer weights it had.
    public func setIntegerWeights(_ integerWeights: UnsafePointer<Int8>, training: Bool = true) {
        ck_conv_pack(
            integerWeights, Self.sizes(shape, batch: batch), packedForward.baseAddress, training ? packedBackward.baseAddress : nil,
            gradients.kernel, threads)
    }

    /// `levels [≥batch, H, W, I]` to `output [≥batch, H′, W′, O]`, exactly.
    public func forward(levels: UnsafePointer<UInt8>, output: UnsafeMutablePointer<Int32>, batch: Int) {
        ck_conv_forward_s32(levels, packedForward.baseAddress, output, sizes(batch), path.kernel, threads)
    }

    /// As above; only where `fitsInt16`.
    public func forward(levels: UnsafePointer<UInt8>, output: UnsafeMutablePointer<Int16>, batch: Int) {
        precondition(fitsInt16, "sums of \(shape) may exceed 16 bits")
        ck_conv_forward_s16(levels, packedForward.baseAddress, output, sizes(batch), path.kernel, threads)
    }

    /// `outputGradient [≥batch, H′, W′, O]` to `inputGradient [≥batch, H, W, I]`, both in bf16.
    public func backwardInput(outputGradient: UnsafePointer<UInt16>, inputGradient: UnsafeMutablePointer<UInt16>, batch: Int) {
        ck_conv_input_gradient_bf16(
            outputGradient, packedBackward.baseAddress, inputGradient, sizes(batch), path.kernel, threads)
    }

    /// `levels [≥batch, H, W, I]` and `outputGradient [≥batch, H′, W′, O]` in bf16 to `weightGradient [O, I, K, K]`, output
    /// channel `o` multiplied by `units[o]`.
    public func backwardWeight(
        levels: UnsafePointer<UInt8>, outputGradient: UnsafePointer<UInt16>, units: UnsafePointer<Float>,
        weightGradient: UnsafeMutablePointer<Float>, batch: Int
    ) {
        ck_conv_weight_gradient(
            levels, outputGradient, units, weightGradient, scratch.pointer, sizes(batch), path.kernel, threads)
    }

    /// `scale` · `outputGradient [≥batch, H′, W′, O]` to `inputGradient [≥batch, H, W, I]` in bf16.
    public func backwardInput(
        outputGradient: UnsafePointer<Int16>, scale: Float, inputGradient: UnsafeMutablePointer<UInt16>, batch: Int
    ) {
        precondition(gradients == .s16, "planned for gradients in bf16")
        ck_conv_input_gradient_s16(outputGradient, scale, packedBackward.baseAddress, inputGradient, sizes(batch), path.kernel, threads)
    }

    /// `levels [≥batch, H, W, I]` and `scale` · `outputGradient [≥batch, H′, W′, O]` to `weightGradient [O, I, K, K]`, output channel
    /// `o` multiplied by `units[o]`.
    public func backwardWeight(
        levels: UnsafePointer<UInt8>, outputGradient: UnsafePointer<Int16>, scale: Float, units: UnsafePointer<Float>,
        weightGradient: UnsafeMutablePointer<Float>, batch: Int
    ) {
        precondition(gradients == .s16, "planned for gradients in bf16")
        ck_conv_weight_gradient_s16(
            levels, Int32(qmax), outputGradient, scale, units, weightGradient, scratch.pointer, sizes(batch), path.kernel, threads)
    }

    private func sizes(_ batch: Int) -> ck_conv {
        precondition(1...self.batch ~= batch, "\(batch) images in a convolution planned for \(self.batch)")
        return Self.sizes(shape, batch: batch)
    }

    static func sizes(_ shape: ConvolutionShape, batch: Int) -> ck_conv {
        ck_conv(
            images: batch, height: shape.input.height, width: shape.input.width, input_channels: shape.input.channels,
            output_channels: shape.outputChannels, kernel: shape.kernel, stride: shape.stride)
    }
}

/// Working memory of convolutions, 64-byte aligned; one serves all convolutions that never run at the same time.
public final class ConvolutionScratch {
    public let bytes: Int
    let pointer: UnsafeMutableRawPointer

    public init(bytes: Int) {
        self.bytes = bytes
        pointer = .allocate(byteCount: max(bytes, 1), alignment: 64)
    }

    deinit { pointer.deallocate() }
}
