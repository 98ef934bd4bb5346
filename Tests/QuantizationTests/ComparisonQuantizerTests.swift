// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Quantization
import Testing

/// LSQ, PACT and DoReFa: by hand at the edges, which random numbers miss, and against PyTorch elsewhere.
@Suite struct ComparisonQuantizerTests {
    /// 3 bits signed, qmin = −4, qmax = 3, s = 0.5.
    @Test func learnedStepSize() throws {
        let quantizer = try LSQ(bits: 3, isSigned: true)
        let x: [Float] = [-9, -2, -1.9, -0.3, 0, 0.25, 0.3, 1.4, 1.5, 8]
        #expect(x.map { quantizer.forward($0, stepSize: 0.5) } == [-2, -2, -2, -0.5, 0, 0, 0.5, 1.5, 1.5, 1.5])
        #expect(x.map { quantizer.inputDerivative($0, stepSize: 0.5) } == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0])
        let expected: [Float] = [-4, -4, -4 + 3.8, -1 + 0.6, 0, -0.5, 1 - 0.6, 3 - 2.8, 3, 3]
        for (x, expected) in zip(x, expected) { #expect(abs(quantizer.stepSizeDerivative(x, stepSize: 0.5) - expected) < 1e-6) }
        #expect(!quantizer.fitsBytes && quantizer.roundingOffset == nil)
        #expect(quantizer.stepSizeGradientScale(features: 300) == 1 / Float(900).squareRoot())
        let start = x.withUnsafeBufferPointer { quantizer.initialStepSize($0) }
        #expect(abs(try #require(start) - Float(2 * 24.65 / 10 / 3.0.squareRoot())) < 1e-5)
        // Unsigned: after the ReLU, 11.45 in all.
        let unsigned = try x.withUnsafeBufferPointer { try LSQ(bits: 2).initialStepSize($0) }
        #expect(abs(try #require(unsigned) - Float(2 * 11.45 / 10 / 3.0.squareRoot())) < 1e-5)
        // The gradient in s over the buffer: the sum above, of ones.
        var ones = [Float](repeating: 1, count: 10)
        let sum = quantizer.backward(input: x, outputGradient: ones, inputGradient: &ones, count: 10, stepSize: 0.5, threads: 1)
        #expect(abs(sum - Double(expected.reduce(0, +))) < 1e-5 && ones == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0])
    }

    /// A step of rate r on the clip a = qmax·s by da = Σ 1{x ≥ a} dy is one on s by the scaled gradient.
    @Test func learnedClip() throws {
        let quantizer = try PACT(bits: 2)
        let (clip, rate, x): (Float, Float, [Float]) = (1.5, 0.25, [-1, 0, 0.3, 1.5, 7])
        let s = clip / 3
        #expect(x.map { quantizer.forward($0, stepSize: s) } == [0, 0, 0.5, 1.5, 1.5])
        let gradient = x.reduce(0) { $0 + quantizer.stepSizeDerivative($1, stepSize: s) } * quantizer.stepSizeGradientScale(features: 5)
        #expect(abs(3 * (s - rate * gradient) - (clip - rate * 2)) < 1e-6)
        #expect(x.map { quantizer.inputDerivative($0, stepSize: s) } == [0, 1, 1, 0, 0])
    }

    @Test func unitIntervalAndTanh() throws {
        let activation = try DoReFa(bits: 2), s = try #require(activation.fixedStepSize)
        for (x, y) in [(-1, 0), (0.1, 0), (0.2, 1.0 / 3), (0.9, 1), (5, 1)] as [(Float, Float)] {
            #expect(abs(activation.forward(x, stepSize: s) - y) < 1e-7)
        }
        #expect([-0.1, 0, 1, 1.1].map { activation.inputDerivative($0, stepSize: s) } == [0, 1, 1, 0])
        // Two bits: ±1/3, ±1; tanh(0.2)/tanh(1) = 0.259 rounds to 1/3, −0.259 to −1/3.
        let weights = try DoReFaWeights(bits: 2), w: [Float] = [1, 0.2, -0.2, -1]
        #expect(weights.project(w) == (1 / 3, [3, 1, -1, -3]))
        #expect(weights.project([0, 0]).scale.isNaN && weights.project([1, .nan]).scale.isNaN)
        // Two largest: each takes half of what flows through M. Σ g t = 3 t₁ − t₁ = 2t₁ over M² = t₁²: 2/t₁, so ∓1/t₁ each.
        let t = tanh(1.0), gradient = weights.referenceGradient([3, 0, 0, 1], weights: w.map(Double.init))
        #expect(abs(gradient[0] - (1 - t * t) * (3 / t - 1 / t)) < 1e-12 && abs(gradient[3] - (1 - t * t) * (1 / t + 1 / t)) < 1e-12)
    }

    /// Values to f32's accuracy, of a whole buffer at once; sums of 60 summands near 1 likewise.
    @Test(arguments: ComparisonVectors.cases) func agreesWithPyTorch(_ vector: ComparisonVectors.Case) throws {
        let x = vector.x.map { Float($0) }, g = vector.g.map { Float($0) }, count = x.count
        var (y, dx, dParameter) = (x, g, 0.0)
        func activation(_ quantizer: some ActivationQuantizer, stepSize: Float, clipScale: Float = 1) {
            quantizer.forward(input: x, output: &y, count: count, stepSize: stepSize, threads: 1)
            dParameter =
                quantizer.backward(input: x, outputGradient: g, inputGradient: &dx, count: count, stepSize: stepSize, threads: 1)
                * Double(quantizer.stepSizeGradientScale(features: count) * clipScale)
        }
        func weights(_ quantizer: some WeightQuantizer) { _ = quantizer.project(x, count: count, quantized: &y, threads: 1) }
        switch vector.name {
        case "lsq": activation(try LSQ(bits: vector.bits), stepSize: Float(vector.parameter))
        case "lsq-signed":
            activation(try LSQ(bits: vector.bits, isSigned: true), stepSize: Float(vector.parameter))
            // The weights begin with the vector's step size, which is that of its own x.
            let (scale, codes) = try LSQWeights(bits: vector.bits).project(x)
            #expect(abs(Double(scale) - vector.parameter) < 1e-7 && zip(codes, y).allSatisfy { abs(Float($0) * scale - $1) < 1e-6 })
        case "pact":
            // The clip is qmax steps, and a gradient of 1/qmax² of a step's is 1/qmax of the clip's.
            let qmax = Float(1 << vector.bits - 1)
            activation(try PACT(bits: vector.bits), stepSize: Float(vector.parameter) / qmax, clipScale: qmax)
        case "dorefa": activation(try DoReFa(bits: vector.bits), stepSize: try #require(DoReFa(bits: vector.bits).fixedStepSize))
        case "dorefa-weights":
            weights(try DoReFaWeights(bits: vector.bits))
            try DoReFaWeights(bits: vector.bits).transform(gradient: &dx, weights: x, count: count, threads: 1)
        default: Issue.record("no quantizer \(vector.name)")
        }
        for i in 0..<count {
            #expect(abs(Double(y[i]) - vector.y[i]) < 1e-6 && abs(Double(dx[i]) - vector.dx[i]) < 1e-5, "\(vector.name) \(i)")
        }
        #expect(abs(dParameter - vector.dParameter) < 1e-5 * max(1, abs(vector.dParameter)), "\(vector.name)")
    }

    @Test func namesAreFoundAgain() throws {
        for bits in 1...8 {
            for quantizer in [try LSQ(bits: bits), try PACT(bits: bits), try DoReFa(bits: bits)] as [any ActivationQuantizer] {
                #expect(NamedQuantizers.activation(quantizer.name)?.name == quantizer.name && quantizer.roundingOffset == 0.5)
            }
        }
        for bits in 2...7 {
            for quantizer in [try LSQWeights(bits: bits), try DoReFaWeights(bits: bits)] as [any WeightQuantizer] {
                #expect(NamedQuantizers.weights(quantizer.name)?.name == quantizer.name && quantizer.maximumIntegerWeight <= 127)
            }
        }
        for quantizer in [
            BinaryProjection(), TernaryProjection(), AuthorsTernaryProjection(), try ExactProjection(bits: 3), try LloydProjection(bits: 4),
            try LloydProjection(bits: 4, maximumIterations: 1), try WeightProjection(bits: 8, maximumIterations: 7)
        ] as [any WeightQuantizer] {
            let found = try #require(NamedQuantizers.weights(quantizer.name), "\(quantizer.name)"), w: [Float] = [0.1, -0.7, 2, 0.4, -1.1]
            #expect(found.name == quantizer.name && found.project(w) == quantizer.project(w))
        }
        #expect(NamedQuantizers.activation("lsq-9") == nil && NamedQuantizers.weights("dorefa-1") == nil)
        #expect(["lloyd-4-0", "lloyd-4-01", "exact-1", "exact-9", ""].allSatisfy { NamedQuantizers.weights($0) == nil })
        #expect(throws: QuantizationError.bits(1, of: "bits of LSQ's weights", allowed: 2...8)) { try LSQWeights(bits: 1) }
        #expect(throws: QuantizationError.bits(8, of: "bits of DoReFa's weights", allowed: 2...7)) { try DoReFaWeights(bits: 8) }
    }
}
