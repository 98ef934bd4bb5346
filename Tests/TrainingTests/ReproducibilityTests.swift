// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Files
import Foundation
import Graph
import Parallelism
import Quantization
import Statistics
import Testing
import Training
import TrainingTestSupport

/// In `Precision.s16` a quantized network learns the same bits on every instruction set and for any number of threads; `.ci` runs the same
/// through the programs.
@Suite struct ReproducibilityTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let network: String, weightBits: Int, side: Int, steps: Int
        var batch = 3
        /// CRC-32 of the bits, first made on a Zen 3 (AVX2): no other processor may have others.
        let checksum: String
        var testDescription: String { "\(network) \(weightBits)W4A, \(steps) steps" }
    }
    /// Fifty steps; one-, two- and four-bit weights; shortcuts, maxima, biases.
    static let cases = [
        Case(network: "resnet20", weightBits: 1, side: 12, steps: 50, checksum: "7f310973"),
        Case(network: "resnet20", weightBits: 2, side: 8, steps: 50, checksum: "c0568eaa"),
        Case(network: "vgg11", weightBits: 4, side: 32, steps: 50, batch: 2, checksum: "67d693a0")
    ]

    /// All weights and statistics after some steps on noise: seed 63.
    private func bits(_ c: Case, _ precision: Precision, threads: Int, steps: Int) throws -> [UInt32] {
        let settings = ["network": c.network, "method": "bcgd", "weight_bits": "\(c.weightBits)", "activation_bits": "4"], batch = c.batch
        let recipe = try recipe(settings), input = FeatureShape(height: c.side, width: c.side, channels: 3)
        let context = ExecutionContext(engine: try Engine(threads: threads), batch: batch)
        let network = try Network(try recipe.graph(input: input, classes: 10), precision: precision, in: context)
        network.initialize(seed: 63)
        var random = Philox(seed: 63, stream: 0)
        let images = input.tensor(batch: batch)
        let loss = SoftmaxCrossEntropy(classes: 10, in: context)
        let descent = CoarseGradientDescent(network, recipe: recipe, threads: threads)
        descent.project()
        for step in 0..<steps {
            images.set((0..<images.count).map { _ in Float(random.normal()) })
            if step == 0 { _ = try network.forward(images, batch: batch, mode: .calibration) }
            let scores = try network.forward(images, batch: batch, mode: .training)
            _ = loss(scores, labels: [1, Int32(step % 10), 9], batch: batch)
            try network.backward(loss.gradient, batch: batch)
            descent.step(learningRate: 0.01)
        }
        return network.parameters.flatMap { $0.value.values.map(\.bitPattern) }
            + network.statistics.flatMap { $0.tensor.values.map(\.bitPattern) }
    }

    @Test(arguments: cases) func sameBitsOnEverySetAndThreadCount(_ c: Case) throws {
        let best = try bits(c, .s16, threads: 1, steps: c.steps)
        #expect(best.allSatisfy { Float(bitPattern: $0).isFinite })
        #expect(crc32Hex(best.withUnsafeBytes { Data($0) }) == c.checksum)
        for set in InstructionSet.available {
            // Plain C calls a function for each multiply-add: one number of threads and fewer steps.
            let isPlain = set.description == "portable"
            let expected = isPlain ? try bits(c, .s16, threads: 1, steps: 5) : best
            for threads in isPlain ? [2] : [2, 3] {
                #expect(
                    try set.limit { try bits(c, .s16, threads: threads, steps: isPlain ? 5 : c.steps) } == expected,
                    "\(set), \(threads) threads")
            }
        }
        // A check of the check: a precision that promises less has other bits.
        #expect(try bits(c, .mixed, threads: 1, steps: c.steps) != best)
    }
}
