// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Quantization
import Statistics
import Testing

/// The scalar functions of another quantizer and nothing else: its buffers come from the protocol.
private struct ScalarOnly: ActivationQuantizer {
    let base: QuantizedReLU
    var name: String { "scalar-only" }
    var grid: ClosedRange<Int> { base.grid }
    func level(_ x: Float, stepSize: Float) -> Int { base.level(x, stepSize: stepSize) }
    func inputDerivative(_ x: Float, stepSize: Float) -> Float { base.inputDerivative(x, stepSize: stepSize) }
    func stepSizeDerivative(_ x: Float, stepSize: Float) -> Float { base.stepSizeDerivative(x, stepSize: stepSize) }
}

/// The definition of another weight quantizer and nothing else.
private struct DefinitionOnly: WeightQuantizer {
    let base: any WeightQuantizer
    var name: String { "definition-only" }
    var maximumIntegerWeight: Int { base.maximumIntegerWeight }
    func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int]) { base.referenceProject(w) }
}

/// What the protocols give to a quantizer of one's own, against the quantizers that have fast forms.
@Suite struct OwnQuantizerTests {
    /// Over a block's end, on 1 to 3 threads, in place, with every special number and an unusable step size.
    @Test(arguments: [1, 4, 8]) func generalBuffersEqualTheFastOnes(bits: Int) throws {
        let fast = try QuantizedReLU(bits: bits, stepSizeDerivative: .almostEverywhere), own = ScalarOnly(base: fast)
        for stepSize in [Float(0.1), 7, 0, .nan, -1] {
            let x = QuantizedReLUTests.inputs(stepSize: 0.1, bits: bits) + [.nan]
            var random = Philox(seed: 21, stream: 0)
            let g = x.map { _ in Float(random.normal()) }
            func run(_ quantizer: some ActivationQuantizer, threads: Int) -> (y: [UInt32], levels: [UInt8], dx: [UInt32], sum: Double) {
                var (y, levels, dx) = (x, [UInt8](repeating: 99, count: x.count), g)
                y.withUnsafeMutableBufferPointer { y in
                    guard let base = y.baseAddress else { return }
                    quantizer.forward(input: base, output: base, count: x.count, stepSize: stepSize, threads: threads)
                }
                quantizer.levels(input: x, levels: &levels, count: x.count, stepSize: stepSize, threads: threads)
                let sum = dx.withUnsafeMutableBufferPointer { dx in
                    guard let base = dx.baseAddress else { return 0.0 }
                    return quantizer.backward(input: x, outputGradient: base, inputGradient: base, count: x.count, stepSize: stepSize, threads: threads)
                }
                // One NaN for all.
                func patterns(_ values: [Float]) -> [UInt32] { values.map { $0.isNaN ? Float.nan.bitPattern : $0.bitPattern } }
                return (patterns(y), levels, patterns(dx), sum)
            }
            let expected = run(fast, threads: 1), first = run(own, threads: 1)
            for found in [first, run(own, threads: 2), run(own, threads: 3)] {
                #expect(firstDifference(found.y, expected.y) == nil && firstDifference(found.levels, expected.levels) == nil)
                #expect(firstDifference(found.dx, expected.dx) == nil && found.sum.bitPattern == first.sum.bitPattern)
            }
            // Two orders of summation of levels up to 2^bits times Gaussians err by at most n·2⁻⁵³ of the magnitudes' sum each.
            let bound = Double(2 * x.count) * 0x1p-53 * g.reduce(0) { $0 + Double(abs($1)) } * Double(1 << bits)
            #expect(abs(first.sum - expected.sum) <= bound || (first.sum.isNaN && expected.sum.isNaN))
        }
    }

    @Test func generalProjectionsEqualTheFastOnes() throws {
        let quantizers: [any WeightQuantizer] = [
            BinaryProjection(), TernaryProjection(), AuthorsTernaryProjection(), try LloydProjection(bits: 4),
            try LloydProjection(bits: 4, maximumIterations: 1), try WeightProjection(bits: 3),
        ]
        #expect(Set(quantizers.map(\.name)) == ["binary", "ternary", "authors-ternary", "lloyd-4", "lloyd-4-1", "lloyd-3"])
        for quantizer in quantizers {
            let own = DefinitionOnly(base: quantizer)
            // Short ones: definitions of unknown types are not specialised.
            for (name, w) in WeightProjectionTests.cases().filter({ $0.w.count <= 432 }) + [("NaN", [1, .nan, 2]), ("infinite", [1, -.infinity])] {
                var (a, b) = (w, w)
                let expected = quantizer.project(w, count: w.count, quantized: &a, threads: 2), found = own.project(w, count: w.count, quantized: &b, threads: 2)
                #expect(found.bitPattern == expected.bitPattern || (found.isNaN && expected.isNaN), "\(name) \(quantizer.name)")
                #expect(firstDifference(a.map { $0.isNaN ? 9 : $0 }, b.map { $0.isNaN ? 9 : $0 }) == nil, "\(name) \(quantizer.name)")
                #expect(firstDifference(quantizer.project(w).integerWeights, own.project(w).integerWeights) == nil, "\(name) \(quantizer.name)")
            }
            let w = gaussians(7 * 40, seed: 22).map { Float($0) }
            for threads in [1, 3] {
                let expected = quantizer.project(w, slices: 7), found = own.project(w, slices: 7, threads: threads)
                #expect(found.scales == expected.scales && firstDifference(found.integerWeights, expected.integerWeights) == nil)
            }
        }
    }

    /// A threshold reaches its level and the float below it does not; for the quantized ReLU the lowest are 0's successor and those after kα.
    @Test func thresholdsAreWhereLevelsBegin() throws {
        let relu = try QuantizedReLU(bits: 2)
        #expect(relu.thresholds(stepSize: 0.5) == [.leastNonzeroMagnitude, Float(0.5).nextUp, Float(1).nextUp])
        for stepSize in [Float(0.1), 3e-20, 1e30] {
            let signed = LearnedStepSize(bits: 3, isSigned: true), thresholds = signed.thresholds(stepSize: stepSize)
            #expect(thresholds.count == 7 && thresholds == thresholds.sorted())
            for (level, threshold) in zip(-3...3, thresholds) {
                #expect(signed.level(threshold, stepSize: stepSize) == level && signed.level(threshold.nextDown, stepSize: stepSize) == level - 1)
            }
        }
    }
}

// MARK: methods of the literature that the protocols have to serve

/// LSQ (Esser et al., arXiv:1902.08153, equations 1 to 3): `s·round(clip(x/s, −Qn, Qp))`.
private struct LearnedStepSize: ActivationQuantizer {
    let bits: Int
    let isSigned: Bool
    var name: String { "lsq-\(bits)-\(isSigned ? "signed" : "unsigned")" }
    var grid: ClosedRange<Int> { isSigned ? -(1 << (bits - 1))...(1 << (bits - 1)) - 1 : 0...(1 << bits) - 1 }
    var rounding: FloatingPointRoundingRule? { .toNearestOrEven }
    private func isInside(_ t: Float) -> Bool { t > Float(grid.lowerBound) && t < Float(grid.upperBound) }
    func inputDerivative(_ x: Float, stepSize: Float) -> Float { isInside(x / stepSize) ? 1 : 0 }
    func stepSizeDerivative(_ x: Float, stepSize: Float) -> Float {
        Float(level(x, stepSize: stepSize)) - (isInside(x / stepSize) ? x / stepSize : 0)
    }
    func stepSizeGradientScale(count: Int) -> Float { 1 / (Float(count) * Float(grid.upperBound)).squareRoot() }
    func initialStepSize(_ x: UnsafeBufferPointer<Float>) -> Float? {
        let mean = x.reduce(0.0) { $0 + Double($1.magnitude) } / Double(x.count)
        return mean > 0 ? Float(2 * mean / Double(grid.upperBound).squareRoot()) : nil
    }
}

/// PACT (Choi et al., arXiv:1805.06085, equations 1 to 3) with the clip a = s·L for parameter: da = dL/da summed over x ≥ a.
private struct ClippedActivation: ActivationQuantizer {
    let bits: Int
    var name: String { "pact-\(bits)" }
    var grid: ClosedRange<Int> { 0...(1 << bits) - 1 }
    var rounding: FloatingPointRoundingRule? { .toNearestOrEven }
    private var top: Float { Float(grid.upperBound) }
    func inputDerivative(_ x: Float, stepSize: Float) -> Float { x >= 0 && x < stepSize * top ? 1 : 0 }
    func stepSizeDerivative(_ x: Float, stepSize: Float) -> Float { x >= stepSize * top ? top : 0 }
    func stepSizeGradientScale(count: Int) -> Float { 1 / (top * top) }
}

/// DoReFa's activations (Zhou et al., arXiv:1606.06160, equation 11): `quantize_k(clip(x, 0, 1))`, nothing learned.
private struct UnitActivation: ActivationQuantizer {
    let bits: Int
    var name: String { "dorefa-\(bits)" }
    var grid: ClosedRange<Int> { 0...(1 << bits) - 1 }
    var rounding: FloatingPointRoundingRule? { .toNearestOrEven }
    var fixedStepSize: Float? { 1 / Float(grid.upperBound) }
    func inputDerivative(_ x: Float, stepSize: Float) -> Float { x >= 0 && x <= 1 ? 1 : 0 }
    func stepSizeDerivative(_ x: Float, stepSize: Float) -> Float { 0 }
}

/// DoReFa's weights (equation 9): `2·quantize_k(tanh(w)/(2·max|tanh(w)|) + ½) − 1`: odd integer weights times 1/(2^k − 1).
private struct TanhWeights: TransformedWeightQuantizer {
    let bits: Int
    var name: String { "dorefa-\(bits)" }
    var maximumIntegerWeight: Int { (1 << bits) - 1 }
    private func tanhs<T: BinaryFloatingPoint>(_ w: [T]) -> (values: [Double], largest: Double) {
        let values = w.map { tanh(Double($0)) }
        return (values, values.reduce(0) { max($0, abs($1)) })
    }
    func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, integerWeights: [Int]) {
        let (values, largest) = tanhs(w), top = Double(maximumIntegerWeight)
        guard largest > 0, largest.isFinite else { return (.nan, w.map { _ in 0 }) }
        return (1 / T(maximumIntegerWeight), values.map { 2 * Int((($0 / (2 * largest) + 0.5) * top).rounded(.toNearestOrEven)) - maximumIntegerWeight })
    }
    func referenceGradient<T: BinaryFloatingPoint>(_ gradient: [T], weights: [T]) -> [T] {
        let (values, largest) = tanhs(weights)
        return zip(gradient, values).map { $0 * T((1 - $1 * $1) / largest) }
    }
}

@Suite struct LiteratureTests {
    /// By hand: 3 bits signed, Qn = 4, Qp = 3, s = 0.5.
    @Test func learnedStepSize() throws {
        let quantizer = LearnedStepSize(bits: 3, isSigned: true)
        let x: [Float] = [-9, -2, -1.9, -0.3, 0, 0.25, 0.3, 1.4, 1.5, 8]
        #expect(x.map { quantizer.forward($0, stepSize: 0.5) } == [-2, -2, -2, -0.5, 0, 0, 0.5, 1.5, 1.5, 1.5])
        #expect(x.map { quantizer.inputDerivative($0, stepSize: 0.5) } == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0])
        let expected: [Float] = [-4, -4, -4 + 3.8, -1 + 0.6, 0, -0.5, 1 - 0.6, 3 - 2.8, 3, 3]
        for (x, expected) in zip(x, expected) { #expect(abs(quantizer.stepSizeDerivative(x, stepSize: 0.5) - expected) < 1e-6) }
        #expect(!quantizer.fitsBytes && LearnedStepSize(bits: 8, isSigned: false).fitsBytes)
        #expect(quantizer.stepSizeGradientScale(count: 300) == 1 / Float(900).squareRoot())
        let start = x.withUnsafeBufferPointer { quantizer.initialStepSize($0) }
        #expect(abs(try #require(start) - Float(2 * 24.65 / 10 / 3.0.squareRoot())) < 1e-5)
        // The gradient in s over the buffer: the sum above, of ones.
        var ones = [Float](repeating: 1, count: 10)
        let sum = quantizer.backward(input: x, outputGradient: ones, inputGradient: &ones, count: 10, stepSize: 0.5, threads: 1)
        #expect(abs(sum - Double(expected.reduce(0, +))) < 1e-5 && ones == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0])
    }

    /// A step of rate r on the clip a = L·s by da = Σ 1{x ≥ a} dy is one on s by the scaled gradient.
    @Test func learnedClip() {
        let quantizer = ClippedActivation(bits: 2)
        let (clip, rate, x): (Float, Float, [Float]) = (1.5, 0.25, [-1, 0.2, 0.3, 1.5, 7])
        let s = clip / 3
        #expect(x.map { quantizer.forward($0, stepSize: s) } == [0, 0, 0.5, 1.5, 1.5])
        let gradient = x.reduce(0) { $0 + quantizer.stepSizeDerivative($1, stepSize: s) } * quantizer.stepSizeGradientScale(count: 5)
        #expect(abs(3 * (s - rate * gradient) - (clip - rate * 2)) < 1e-6)
        #expect(x.map { quantizer.inputDerivative($0, stepSize: s) } == [0, 1, 1, 0, 0])
    }

    @Test func unitIntervalAndTanh() throws {
        let activation = UnitActivation(bits: 2), s = try #require(activation.fixedStepSize)
        for (x, y) in [(-1, 0), (0.1, 0), (0.2, 1.0 / 3), (0.9, 1), (5, 1)] as [(Float, Float)] { #expect(abs(activation.forward(x, stepSize: s) - y) < 1e-7) }
        // Two bits: ±1/3, ±1; tanh(0.2)/tanh(1) = 0.259 rounds to 1/3, −0.259 to −1/3.
        let weights = TanhWeights(bits: 2), w: [Float] = [1, 0.2, -0.2, -1]
        #expect(weights.project(w) == (1 / 3, [3, 1, -1, -3]))
        var gradient: [Float] = [1, 1, 1, 2]
        weights.transform(gradient: &gradient, weights: w, count: 4, threads: 1)
        // (1 − tanh²)/max|tanh| by central differences of tanh(w)/tanh(1) with the largest held fast.
        for (i, factor) in [(0, 1), (1, 1), (3, 2)] {
            let (x, h) = (Double(w[i]), 1e-5)
            #expect(abs(Double(gradient[i]) - Double(factor) * (tanh(x + h) - tanh(x - h)) / (2 * h) / tanh(1)) < 1e-6)
        }
    }
}
