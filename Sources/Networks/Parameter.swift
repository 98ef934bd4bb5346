// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Quantization
import Statistics

/// One learned tensor with all that training keeps of it.
public final class Parameter {
    public enum Kind: Sendable {
        /// A convolution's or linear layer's weights, which may be quantized.
        case weight
        /// A bias, or batch norm's scale or shift.
        case affine
        /// The resolution α of a quantized ReLU, shape `[1]`.
        case resolution
    }

    public let name: String
    public let kind: Kind
    /// The float values; for a quantized weight, `w_f`.
    public let value: Tensor
    public let gradient: Tensor
    public let momentum: Tensor
    /// What the f32 passes multiply by once the parameter is quantized: `w_q = δ·q`, or the relaxed weights
    /// `(λ·w_q + w_f)/(1 + λ)` of BinaryRelax; not kept `multipliesByCodes`.
    public private(set) var quantized: Tensor?
    /// Of the last projection: the integers `q`, which the integer passes use, and the scales δ, one for each of `slices`
    /// equal parts of the values (one: the whole layer; or one an output channel).
    package private(set) var codes: UnsafeMutablePointer<Int8>?
    package let scales: UnsafeMutablePointer<Float>
    package private(set) var slices = 1
    /// λ/(1 + λ); 1 where the passes use `w_q` itself.
    package private(set) var relaxationShare: Float = 1
    /// Room for what the update leaves for the projection: Σ|w| and max|w| of each slice.
    package let magnitudes: UnsafeMutablePointer<ck_magnitudes>
    /// The layer never asks for `w_q`, only for codes and scale.
    package let multipliesByCodes: Bool

    /// What the values are before training.
    public enum Initial: Sendable {
        case constant(Float)
        case normal(deviation: Double)

        /// normal(0, √(2/(K·K·O))) (METHOD.md part 2).
        public static func convolution(outputs: Int, kernel: Int) -> Initial {
            .normal(deviation: (2 / Double(kernel * kernel * outputs)).squareRoot())
        }
    }

    private let initial: Initial

    /// - Parameters:
    ///   - name: unique in its network, such as `layer1.0.conv1.weight`.
    ///   - shape: of a weight, the output channels first.
    ///   - multipliesByCodes: for the integer passes of mixed precision.
    public init(_ name: String, _ kind: Kind, shape: [Int], initial: Initial = .constant(0), multipliesByCodes: Bool = false) {
        (self.name, self.kind, self.initial, self.multipliesByCodes) = (name, kind, initial, multipliesByCodes)
        (value, gradient, momentum) = (Tensor(shape), Tensor(shape), Tensor(shape))
        // As many slices as there can be: an output channel is the first dimension.
        (scales, magnitudes) = (.allocate(capacity: shape[0]), .allocate(capacity: shape[0]))
        scales.update(repeating: 0, count: shape[0])
        magnitudes.update(repeating: ck_magnitudes(), count: shape[0])
        if case .constant(let constant) = initial { value.fill(constant) }
    }

    deinit {
        codes?.deallocate()
        scales.deallocate()
        magnitudes.deallocate()
    }

    /// Draws the initial values; a constant draws nothing.
    func initialize(_ random: inout Philox) {
        for i in 0..<value.count {
            switch initial {
            case .constant(let constant): value.pointer[i] = constant
            case .normal(let deviation): value.pointer[i] = Float(deviation * random.normal())
            }
        }
    }

    /// What the forward and backward passes multiply by: `w_q` if there is one, else the float values.
    public var effective: Tensor {
        precondition(codes == nil || !multipliesByCodes, "\(name) keeps codes only")
        return quantized ?? value
    }

    /// Makes room for the codes and, where a layer uses it, `w_q`; the values come with `project`.
    /// - Parameter perChannel: one scale for each output channel, the first dimension, instead of one for the layer.
    public func enableQuantization(perChannel: Bool = false) {
        guard codes == nil else { return }
        codes = .allocate(capacity: value.count)
        codes?.update(repeating: 0, count: value.count)
        slices = perChannel ? value.shape[0] : 1
        if !multipliesByCodes { quantized = Tensor(value.shape) }
    }

    /// `w_q ← proj_Q(w_f)`, and from it what the passes multiply by. Does nothing unless quantization is enabled.
    public func project(_ projection: WeightProjection, threads: Int) { project(projection, known: .none, threads: threads) }

    /// The same after the update's pass over the weights.
    package func project(_ projection: WeightProjection, known: KnownMagnitudes, threads: Int) {
        guard let codes else { return }
        let isRelaxed = relaxationShare < 1
        // A projection follows the use of the gradient or the start of training: the gradient's room is free.
        projection.project(
            value.pointer, count: value.count, slices: slices, known: known, quantized: isRelaxed ? nil : quantized?.pointer,
            codes: codes, scales: scales, scratch: quantized?.pointer ?? gradient.pointer, threads: threads)
        if isRelaxed { useProjection(relaxationShare: relaxationShare, threads: threads) }
    }

    /// Has the passes multiply by `share·w_q + (1 − share)·w_f` from now on, `w_q` being the last projection.
    package func useProjection(relaxationShare share: Float, threads: Int) {
        relaxationShare = share
        guard let codes else { return }
        precondition(quantized != nil || share == 1, "\(name) keeps codes only, which cannot be relaxed")
        guard let quantized else { return }
        ck_relaxed_weights(
            value.pointer, codes, scales, value.count, slices, share, quantized.pointer, Int32(threads))
    }

    /// Puts a projection of earlier back (`useProjection` makes it take effect); does nothing unless quantization is enabled.
    package func restoreProjection(codes: [Int8], scales: [Float]) {
        precondition(codes.count == value.count && scales.count == slices, "another tensor's projection")
        self.codes?.update(from: codes, count: codes.count)
        self.scales.update(from: scales, count: scales.count)
    }

    var requiredCodes: UnsafePointer<Int8> {
        guard let codes else { preconditionFailure("\(name) is not quantized") }
        return UnsafePointer(codes)
    }
}
