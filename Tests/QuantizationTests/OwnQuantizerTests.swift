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
                    return quantizer.backward(
                        input: x, outputGradient: base, inputGradient: base, count: x.count, stepSize: stepSize, threads: threads)
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
            try LloydProjection(bits: 4, maximumIterations: 1), try WeightProjection(bits: 3)
        ]
        #expect(Set(quantizers.map(\.name)) == ["binary", "ternary", "authors-ternary", "lloyd-4", "lloyd-4-1", "lloyd-3"])
        for quantizer in quantizers {
            let own = DefinitionOnly(base: quantizer)
            // Short ones: definitions of unknown types are not specialised.
            for (name, w) in WeightProjectionTests.cases().filter({ $0.w.count <= 432 }) + [
                ("NaN", [1, .nan, 2]), ("infinite", [1, -.infinity])
            ] {
                var (a, b) = (w, w)
                let expected = quantizer.project(w, count: w.count, quantized: &a, threads: 2),
                    found = own.project(w, count: w.count, quantized: &b, threads: 2)
                #expect(found.bitPattern == expected.bitPattern || (found.isNaN && expected.isNaN), "\(name) \(quantizer.name)")
                #expect(firstDifference(a.map { $0.isNaN ? 9 : $0 }, b.map { $0.isNaN ? 9 : $0 }) == nil, "\(name) \(quantizer.name)")
                #expect(
                    firstDifference(quantizer.project(w).integerWeights, own.project(w).integerWeights) == nil, "\(name) \(quantizer.name)")
            }
            let w = gaussians(7 * 40, seed: 22).map { Float($0) }
            for threads in [1, 3] {
                let expected = quantizer.project(w, slices: 7), found = own.project(w, slices: 7, threads: threads)
                #expect(found.scales == expected.scales && firstDifference(found.integerWeights, expected.integerWeights) == nil)
            }
        }
    }

    /// A threshold reaches its level and the float below it does not; for the quantized ReLU the lowest are 0's successor and those after
    /// kα.
    @Test func thresholdsAreWhereLevelsBegin() throws {
        let relu = try QuantizedReLU(bits: 2)
        #expect(relu.thresholds(stepSize: 0.5) == [.leastNonzeroMagnitude, Float(0.5).nextUp, Float(1).nextUp])
        for stepSize in [Float(0.1), 3e-20, 1e30] {
            let signed = try LSQ(bits: 3, isSigned: true), thresholds = signed.thresholds(stepSize: stepSize)
            #expect(thresholds.count == 7 && thresholds == thresholds.sorted())
            for (level, threshold) in zip(-3...3, thresholds) {
                #expect(
                    signed.level(threshold, stepSize: stepSize) == level
                        && signed.level(threshold.nextDown, stepSize: stepSize) == level - 1)
            }
        }
    }
}
