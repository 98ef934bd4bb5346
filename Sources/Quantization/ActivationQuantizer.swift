// SPDX-License-Identifier: GPL-3.0-or-later

/// A function of activations onto a grid: `σ(x, s) = s·k(x/s)`, a step size `s` (the paper's step size α; one scalar a layer) times an
/// integer level `k`. Its true derivatives are 0 or do not exist; the backward pass uses coarse ones in their place (the straight-through
/// estimator, STE: Bengio, Léonard and Courville, arXiv:1308.3432).
///
/// A type states scalar functions: they are the definition. The passes over buffers follow from them; a type with faster ones
/// (`QuantizedReLU`) is tested against them. A quantizer of one's own needs `name`, `grid`, the two coarse derivatives, and `rounding`
/// or `level`: `Documentation/AddingAQuantizer.md`.
///
/// How a backend uses it:
/// - The layer owns `s` as a parameter, or takes `fixedStepSize`. In the pass that calibrates, `s` becomes `initialStepSize` of the inputs.
/// - In f32: `forward`; then `backward`, whose sum times `stepSizeGradientScale(features:)` is the gradient in `s`.
/// - In low precision, where `fitsBytes`: maps hold levels and one of them is worth `s`. Where there is a `roundingOffset`, fused kernels
///   make
///   them, of x/s folded into one multiply-add; else `levels`. `backward` is of the f32 pre-activations, but for the types that kernels
///   know.
/// - Packed models know quantizers with a `roundingOffset`.
/// - The same protocol serves weights with a learned step size, with a signed grid: `LearnedStepSizeQuantizer`.
///
/// Conventions, which the passes see to: a NaN input gives NaN, level 0, and derivatives as the type says; a step size that is not finite
/// and positive gives NaN for
/// everything but levels, which are 0, so that the loss shows it. A summand with coarse derivative 0 is 0, whatever its gradient.
public protocol ActivationQuantizer: Sendable {
    /// Unique with its settings, such as `quantized-relu-4-clipped-relu-three-valued`: quantizers of one name are taken as equal.
    var name: String { get }

    /// The integer levels, qmin … qmax; 0 is one of them. Unsigned of b bits: `0...2^b − 1`.
    var grid: ClosedRange<Int> { get }

    /// How `x/s`, one IEEE division, becomes a level where that is `clamp(round(x/s), grid)`; nil where `level` says something else.
    var rounding: FloatingPointRoundingRule? { get }

    /// The level of a number `x` that is not NaN, `stepSize` finite and positive; it never falls as `x` grows. By default from `rounding`.
    func level(_ x: Float, stepSize: Float) -> Int

    /// The coarse derivative of σ in `x`; `stepSize` finite and positive.
    func inputDerivative(_ x: Float, stepSize: Float) -> Float

    /// The coarse derivative of σ in the step size, which is finite and positive.
    func stepSizeDerivative(_ x: Float, stepSize: Float) -> Float

    /// What the gradient in the step size is multiplied by, of a map with so many numbers an image, or of so many weights; 1 unless a
    /// method says otherwise (LSQ: 1/√(features·qmax); PACT, whose parameter is the clip s·qmax: 1/qmax²).
    func stepSizeGradientScale(features: Int) -> Float

    /// The step size where none is learned (DoReFa: 1/qmax); nil by default.
    var fixedStepSize: Float? { get }

    /// The step size with which training begins, from the first batch's pre-activations; nil keeps what there is. By default
    /// `max(x)/qmax`, if positive (METHOD.md part 2).
    func initialStepSize(_ x: UnsafeBufferPointer<Float>) -> Float?

    /// The same from those of parts of the pre-activations (0 for none), each of so many images. By default the largest.
    func initialStepSize(ofParts parts: [(value: Float, images: Int)]) -> Float?

    /// `output[i] = σ(input[i])`; the two may be the same buffer. Any thread count gives the same bits, here and below.
    func forward(input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int, stepSize: Float, threads: Int)

    /// `levels[i] = level(input[i])`, for a grid within 0 … 255.
    func levels(input: UnsafePointer<Float>, levels: UnsafeMutablePointer<UInt8>, count: Int, stepSize: Float, threads: Int)

    /// `inputGradient[i] = inputDerivative(input[i]) · outputGradient[i]`, in place if wanted.
    /// - Returns: `Σ stepSizeDerivative(input[i]) · outputGradient[i]`, summed in `Double`.
    func backward(
        input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>, count: Int,
        stepSize: Float, threads: Int
    ) -> Double
}

// MARK: what follows from the scalar functions

extension ActivationQuantizer {
    public var rounding: FloatingPointRoundingRule? { nil }
    public var fixedStepSize: Float? { nil }
    public func stepSizeGradientScale(features: Int) -> Float { 1 }

    /// Levels fit the bytes of low precision's maps.
    public var fitsBytes: Bool { grid.lowerBound == 0 && grid.upperBound <= 255 }

    /// What is taken from x/s before it is rounded up to the levels 0 … qmax: 0 of quantizers that round up, ½ of those that round to
    /// nearest (a half then goes down, whatever their rule); nil of others.
    public var roundingOffset: Double? {
        guard fitsBytes else { return nil }
        return switch rounding {
        case .up: 0
        case .toNearestOrEven, .toNearestOrAwayFromZero: 0.5
        default: nil
        }
    }

    /// `max(x)/qmax`, if positive.
    public func initialStepSize(_ x: UnsafeBufferPointer<Float>) -> Float? {
        x.max().flatMap { $0 > 0 ? $0 / Float(grid.upperBound) : nil }
    }

    public func initialStepSize(ofParts parts: [(value: Float, images: Int)]) -> Float? {
        parts.map(\.value).max().flatMap { $0 > 0 ? $0 : nil }
    }

    @inlinable
    public func level(_ x: Float, stepSize: Float) -> Int {
        guard let rounding else { preconditionFailure("\(name) states neither rounding nor level") }
        return Int(min(max((x / stepSize).rounded(rounding), Float(grid.lowerBound)), Float(grid.upperBound)))
    }

    /// σ(x, s).
    @inlinable
    public func forward(_ x: Float, stepSize: Float) -> Float {
        guard !x.isNaN, isUsable(stepSize: stepSize) else { return .nan }
        return stepSize * Float(level(x, stepSize: stepSize))
    }

    @inlinable
    public func forward(input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int, stepSize: Float, threads: Int) {
        forEachBlock(of: count, threads: threads) { _, range in
            for i in range { output[i] = forward(input[i], stepSize: stepSize) }
        }
    }

    @inlinable
    public func levels(input: UnsafePointer<Float>, levels: UnsafeMutablePointer<UInt8>, count: Int, stepSize: Float, threads: Int) {
        precondition(fitsBytes, "\(name): levels \(grid) do not fit a byte")
        let isUsable = isUsable(stepSize: stepSize)
        forEachBlock(of: count, threads: threads) { _, range in
            for i in range { levels[i] = isUsable && !input[i].isNaN ? UInt8(level(input[i], stepSize: stepSize)) : 0 }
        }
    }

    @inlinable
    public func backward(
        input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>, count: Int,
        stepSize: Float, threads: Int
    ) -> Double {
        guard isUsable(stepSize: stepSize) else {
            inputGradient.update(repeating: .nan, count: count)
            return .nan
        }
        var sums = [Double](repeating: 0, count: blockCount(count))
        sums.withUnsafeMutableBufferPointer { sums in
            forEachBlock(of: count, threads: threads) { block, range in
                for i in range {
                    let (x, dy) = (input[i], outputGradient[i])
                    let (dx, ds) = (inputDerivative(x, stepSize: stepSize), stepSizeDerivative(x, stepSize: stepSize))
                    if ds != 0 { sums[block] += Double(ds) * Double(dy) }
                    inputGradient[i] = dx == 0 ? 0 : dx * dy
                }
            }
        }
        return sums.reduce(0, +)
    }

    @inlinable
    public func isUsable(stepSize: Float) -> Bool { stepSize > 0 && stepSize.isFinite }

    /// For each level above qmin, the least number that reaches it, found by bisection over all floats (∞ where only that does): what an
    /// export needs of a quantizer without `rounding`.
    public func thresholds(stepSize: Float) -> [Float] {
        precondition(isUsable(stepSize: stepSize), "no levels without a step size")
        // Floats in the order of these integers: −∞ first, ∞ last.
        func float(_ key: Int64) -> Float { key < 0 ? -Float(bitPattern: UInt32(-key)) : Float(bitPattern: UInt32(key)) }
        let infinity = Int64(Float.infinity.bitPattern)
        return grid.dropFirst().map { wanted in
            var (below, reached) = (-infinity, infinity)
            while reached - below > 1 {
                let middle = (below + reached) >> 1
                if level(float(middle), stepSize: stepSize) >= wanted { reached = middle } else { below = middle }
            }
            return float(reached)
        }
    }
}
