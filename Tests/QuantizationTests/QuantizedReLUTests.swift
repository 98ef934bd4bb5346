// SPDX-License-Identifier: GPL-3.0-or-later
import Parallelism
import Quantization
import Statistics
import Testing

@Suite struct QuantizedReLUTests {
    static let stepSizes: [Float] = [0.25, 0.1, 1 / 3, 0.1946, 1e-30, 3e37, 7]

    /// Every boundary and its neighbours, special values, a sweep of all bit patterns, and Gaussians (seed 1).
    static func inputs(stepSize: Float, bits: Int) -> [Float] {
        var x: [Float] = [0, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude, -1]
        for k in -1...(1 << bits) {
            let tie = Float(k) * stepSize
            x += [tie, tie.nextUp, tie.nextDown, tie + 0.37 * stepSize]
        }
        x += stride(from: UInt32(0), to: .max - 65_537, by: 65_537).map { Float(bitPattern: $0) }
        var generator = Philox(seed: 1, stream: UInt64(bits))
        x += (0..<1003).map { _ in Float(generator.normal()) * stepSize * Float(1 << bits) / 2 }
        return x
    }

    @Test func definitionByHand() throws {
        // Two bits, α = 0.5: the steps of METHOD.md part 1 end at 0.5, 1 and 1.5.
        let quantizer = try QuantizedReLU(bits: 2)
        let table: [(x: Float, y: Float)] = [
            (-1, 0), (0, 0), (0.1, 0.5), (0.5, 0.5), (0.51, 1), (1, 1), (1.2, 1.5), (1.5, 1.5), (1.51, 1.5), (9, 1.5)
        ]
        for (x, y) in table {
            #expect(quantizer.forward(x, stepSize: 0.5) == y)
            #expect(quantizer.level(x, stepSize: 0.5) == Int(y / 0.5))
        }
        #expect(quantizer.inputDerivative(1.5, stepSize: 0.5) == 1 && quantizer.inputDerivative(1.51, stepSize: 0.5) == 0)
        #expect(quantizer.forward(.leastNonzeroMagnitude, stepSize: 4) == 4, "x/α underflows, yet x > 0")
    }

    @Test func equalsPyTorch() throws {
        for vector in PyTorchVectors.relu {
            for (name, expected) in vector.inputDerivatives {
                let rule = try #require(CoarseInputDerivative(rawValue: name))
                let quantizer = try QuantizedReLU(bits: vector.bits, inputDerivative: rule)
                #expect(vector.x.map { quantizer.inputDerivative($0, stepSize: vector.stepSize) } == expected)
            }
            for (name, expected) in vector.stepSizeDerivatives {
                let rule = try #require(CoarseStepSizeDerivative(rawValue: name))
                let quantizer = try QuantizedReLU(bits: vector.bits, stepSizeDerivative: rule)
                #expect(vector.x.map { quantizer.stepSizeDerivative($0, stepSize: vector.stepSize) } == expected)
                #expect(vector.x.map { quantizer.forward($0, stepSize: vector.stepSize) } == vector.output)
            }
            #expect(vector.inputDerivatives.count == 3 && vector.stepSizeDerivatives.count == 4 && vector.x.count >= 16)
        }
    }

    @Test(arguments: 1...8, InstructionSet.available) func fastForwardEqualsReferenceBitForBit(bits: Int, set: InstructionSet) throws {
        try set.limit {
            let quantizer = try QuantizedReLU(bits: bits)
            for stepSize in Self.stepSizes {
                let x = Self.inputs(stepSize: stepSize, bits: bits)
                var (y, levels) = ([Float](repeating: -1, count: x.count), [UInt8](repeating: 99, count: x.count))
                quantizer.forward(input: x, output: &y, count: x.count, stepSize: stepSize, threads: 2)
                quantizer.levels(input: x, levels: &levels, count: x.count, stepSize: stepSize, threads: 2)
                let wrong = x.indices.filter {
                    let expected = quantizer.forward(x[$0], stepSize: stepSize)
                    return (y[$0].bitPattern != expected.bitPattern && !(y[$0].isNaN && expected.isNaN))
                        || Int(levels[$0]) != quantizer.level(x[$0], stepSize: stepSize)
                }
                #expect(wrong.isEmpty, "α = \(stepSize), first at x = \(wrong.first.map { x[$0] } ?? 0)")
            }
        }
    }

    @Test(arguments: CoarseInputDerivative.allCases, CoarseStepSizeDerivative.allCases)
    func fastBackwardEqualsReference(inputRule: CoarseInputDerivative, stepSizeRule: CoarseStepSizeDerivative) throws {
        for set in InstructionSet.available {
            try set.limit {
                for bits in [1, 2, 4, 8] {
                    let quantizer = try QuantizedReLU(bits: bits, inputDerivative: inputRule, stepSizeDerivative: stepSizeRule)
                    for stepSize in Self.stepSizes {
                        let x = Self.inputs(stepSize: stepSize, bits: bits)
                        var generator = Philox(seed: 2, stream: 0)
                        let g = x.map { _ in Float(generator.normal()) }
                        var out = [Float](repeating: -1, count: x.count)
                        let sum = quantizer.backward(
                            input: x, outputGradient: g, inputGradient: &out, count: x.count, stepSize: stepSize, threads: 2)
                        let expected = zip(x, g).map { quantizer.inputDerivative($0, stepSize: stepSize) == 1 ? $1 : 0 }
                        #expect(firstDifference(out, expected) == nil)
                        let terms = zip(x, g).map { Double(quantizer.stepSizeDerivative($0, stepSize: stepSize)) * Double($1) }
                        // Each of two orders of summation errs by at most n·2⁻⁵³·Σ|term|.
                        let bound = Double(2 * x.count) * 0x1p-53 * terms.reduce(0) { $0 + abs($1) }
                        #expect(abs(sum - terms.reduce(0, +)) <= bound, "bits \(bits), α = \(stepSize)")
                    }
                }
            }
        }
    }

    /// Many blocks, a ragged end: the same bits for 1, 2 and 3 threads, in place too; short buffers for the tails.
    @Test(arguments: InstructionSet.available) func threadsAndAliasingLeaveNoTrace(_ set: InstructionSet) throws {
        try set.limit {
            let quantizer = try QuantizedReLU(bits: 4, stepSizeDerivative: .almostEverywhere)
            var generator = Philox(seed: 3, stream: 0)
            for count in [0, 1, 15, 16, 17, 33, 100_003] {
                let x = (0..<count).map { _ in Float(generator.normal()) }, g = (0..<count).map { _ in Float(generator.normal()) }
                func run(_ threads: Int) -> (Double, [Float]) {
                    var gradient = g
                    let sum = gradient.withUnsafeMutableBufferPointer { buffer -> Double in
                        guard let base = buffer.baseAddress, count > 0 else { return 0 }
                        return quantizer.backward(
                            input: x, outputGradient: base, inputGradient: base, count: count, stepSize: 0.1, threads: threads)
                    }
                    return (sum, gradient)
                }
                let (sum, gradient) = run(1)
                #expect(firstDifference(gradient, zip(x, g).map { $0 > 0 && $0 / 0.1 <= 15 ? $1 : 0 }) == nil)
                for threads in [2, 3] {
                    let other = run(threads)
                    #expect(other.0.bitPattern == sum.bitPattern && firstDifference(other.1, gradient) == nil)
                }
            }
        }
    }

    @Test func edgesFollowTheConventions() throws {
        let quantizer = try QuantizedReLU(bits: 2)
        #expect(quantizer.forward(.nan, stepSize: 1).isNaN && quantizer.level(.nan, stepSize: 1) == 0)
        #expect(quantizer.inputDerivative(.nan, stepSize: 1) == 0 && quantizer.stepSizeDerivative(.nan, stepSize: 1) == 0)
        for stepSize in [Float(0), -1, .nan, .infinity] {
            let x: [Float] = [-1, 0.5, 2]
            var (y, levels): ([Float], [UInt8]) = ([0, 0, 0], [9, 9, 9])
            quantizer.forward(input: x, output: &y, count: 3, stepSize: stepSize, threads: 1)
            quantizer.levels(input: x, levels: &levels, count: 3, stepSize: stepSize, threads: 1)
            #expect(y.allSatisfy(\.isNaN) && levels == [0, 0, 0] && quantizer.forward(1, stepSize: stepSize).isNaN)
            let sum = quantizer.backward(
                input: x, outputGradient: x, inputGradient: &y, count: 3, stepSize: stepSize, threads: 1)
            #expect(sum.isNaN && y.allSatisfy(\.isNaN) && quantizer.stepSizeDerivative(1, stepSize: stepSize).isNaN)
            #expect(!quantizer.isUsable(stepSize: stepSize))
        }
        // A gradient that is not finite counts only where the coarse derivative is not 0.
        var gradient: [Float] = [.nan, .infinity, 1]
        let sum = quantizer.backward(
            input: [-1, 0, 2], outputGradient: gradient, inputGradient: &gradient, count: 3, stepSize: 1, threads: 1)
        #expect(sum == 2 && gradient == [0, 0, 1])
    }

    @Test(arguments: [-1, 0, 9, 32]) func impossibleBitsAreNamed(bits: Int) {
        let error = #expect(throws: QuantizationError.self) { try QuantizedReLU(bits: bits) }
        #expect(error?.description.contains("activation bits must be 1 to 8, found \(bits)") == true)
    }
}
