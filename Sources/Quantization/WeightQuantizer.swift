// SPDX-License-Identifier: GPL-3.0-or-later

/// A map of float weights `w ∈ Rⁿ` to `δ·q`: a scale `δ ≥ 0` (their step size) and integer weights `q`.
///
/// A type states `referenceProject`: it is the definition, from which the passes over buffers follow; the suite's own have faster
/// ones, tested against it. A quantizer of one's own needs `name`, `maximumIntegerWeight` and `referenceProject`:
/// `Documentation/AddingAQuantizer.md`.
///
/// How a backend uses it:
/// - Before the first pass and after each update of the float weights, `project` each slice of them (the paper: the whole tensor; or each
///   output channel). f32 passes multiply by the quantized weights, integer passes by integer weights, with a scale a slice; an export
///   packs integer weights.
/// - BinaryRelax multiplies by `(λ·δq + w)/(1 + λ)`: no matter of the quantizer's.
/// - The gradient in the quantized weights is taken for that in the float ones: the straight-through estimator (STE). What needs another
///   says so by `TransformedWeightQuantizer`; what learns its step size instead of fitting it is a `LearnedStepSizeQuantizer`.
///
/// Conventions: `δ` and `w/δ` are in the weights' own precision, sums in `Double`. A NaN or infinite weight gives `δ = NaN`, integer
/// weights 0 and
/// quantized weights NaN, so that the loss shows it.
public protocol WeightQuantizer: Sendable {
    /// Unique with its settings, such as `lloyd-4`: quantizers of one name are taken as equal.
    var name: String { get }

    /// The largest |q|, 1 … 127.
    var maximumIntegerWeight: Int { get }

    /// The definition, in any precision (at most `Double`'s).
    /// - Parameter w: n ≥ 1 weights.
    func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int])
}

/// A weight quantizer whose backward pass is more than straight through, such as DoReFa's, through tanh.
public protocol TransformedWeightQuantizer: WeightQuantizer {
    /// The coarse gradient in the float weights.
    /// - Parameters:
    ///   - gradient: of the loss in the quantized weights.
    ///   - weights: the float ones.
    func referenceGradient<T: BinaryFloatingPoint>(_ gradient: [T], weights: [T]) -> [T]

    /// The same in place, by default on one thread.
    func transform(gradient: UnsafeMutablePointer<Float>, weights: UnsafePointer<Float>, count: Int, threads: Int)
}

/// A weight quantizer whose step sizes are parameters, `NAME.weight.resolution` in files, one a slice: a function onto a signed grid, such
/// as LSQ's. It begins with the scale of `referenceProject`; then the step size learns, by the gradient of `function.backward` times its
/// `stepSizeGradientScale`, and the float weights by what `function.backward` passes on.
public protocol LearnedStepSizeQuantizer: WeightQuantizer {
    associatedtype Function: ActivationQuantizer
    /// On a grid within −127 … 127.
    var function: Function { get }
}

extension LearnedStepSizeQuantizer {
    public var maximumIntegerWeight: Int { max(-function.grid.lowerBound, function.grid.upperBound) }

    /// Writes `quantized[i] = s·qᵢ` and the integer weights `qᵢ` for a given step size `s`; an `s` that is not usable gives NaN, and 0.
    package func project(
        _ w: UnsafePointer<Float>, count: Int, stepSize: Float, quantized: UnsafeMutablePointer<Float>,
        integerWeights: UnsafeMutablePointer<Int8>, threads: Int
    ) {
        let function = function
        function.forward(input: w, output: quantized, count: count, stepSize: stepSize, threads: threads)
        forEachBlock(of: count, threads: threads) { _, range in
            for i in range { integerWeights[i] = quantized[i].isNaN ? 0 : Int8(function.level(w[i], stepSize: stepSize)) }
        }
    }
}

// MARK: what follows from the definition

extension TransformedWeightQuantizer {
    @inlinable
    public func transform(gradient: UnsafeMutablePointer<Float>, weights: UnsafePointer<Float>, count: Int, threads: Int) {
        let transformed = referenceGradient(
            Array(UnsafeBufferPointer(start: gradient, count: count)), weights: Array(UnsafeBufferPointer(start: weights, count: count)))
        precondition(transformed.count == count, "\(name): \(transformed.count) gradients of \(count) weights")
        gradient.update(from: transformed, count: count)
    }
}

extension WeightQuantizer {
    /// Writes `quantized[i] = δ·qᵢ` and, if asked, the integer weights `qᵢ` of `count` ≥ 1 weights. Any thread count gives the same bits.
    /// - Parameters:
    ///   - w: the float weights.
    ///   - count: of the weights.
    ///   - quantized: room for `count` floats apart from `w` (which training keeps); also the scratch space.
    ///   - integerWeights: nil, or room for `count` integer weights.
    ///   - threads: 1 or more that compute.
    /// - Returns: the scale `δ`.
    @discardableResult
    public func project(
        _ w: UnsafePointer<Float>, count: Int, quantized: UnsafeMutablePointer<Float>, integerWeights: UnsafeMutablePointer<Int8>? = nil,
        threads: Int
    ) -> Float {
        var scale = Float(0)
        project(
            w, count: count, slices: 1, known: .none, quantized: quantized, integerWeights: integerWeights, scales: &scale,
            scratch: quantized, threads: threads)
        return scale
    }

    /// The same for an array.
    public func project(_ w: [Float], threads: Int = 1) -> (scale: Float, integerWeights: [Int8]) {
        let (scales, integerWeights) = project(w, slices: 1, threads: threads)
        return (scales[0], integerWeights)
    }

    /// Each of `slices` equal parts of the weights projected by itself.
    /// - Parameters:
    ///   - w: n weights, n a multiple of `slices`.
    ///   - slices: 1 or more.
    @inlinable
    public func referenceProject<T: BinaryFloatingPoint>(_ w: [T], slices: Int) -> (scales: [T], integerWeights: [Int]) {
        precondition(slices >= 1 && w.count % slices == 0, "slices are of equal length")
        let (length, parts) = (w.count / slices, 0..<slices)
        let projected = parts.map { referenceProject(Array(w[$0 * length..<($0 + 1) * length])) }
        return (projected.map(\.scale), projected.flatMap(\.integerWeights))
    }
}
