// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Graph
import Quantization
import Statistics
import Synchronization
import Testing

/// A law of normalised networks (claim `network-law`, Documentation/Theory.md B): an activation that feeds only convolution and batch
/// norm, pooling allowed, has an almost-everywhere α-gradient of zero in every mini-batch, since scaling α·k scales what batch norm
/// divides out again (Euler). So under that rule every α of VGG-11 but the last stays where it was initialised.
@Suite struct StepSizeLawTests {
    /// A quantized ReLU that notes what its α-gradient is a sum of.
    private struct Recorder: ActivationQuantizer {
        let function: QuantizedReLU
        let sums: Sums
        final class Sums: Sendable { let all = Mutex<[(sum: Double, magnitude: Double)]>([]) }

        var name: String { "recorded-" + function.name }
        var grid: ClosedRange<Int> { function.grid }
        var rounding: FloatingPointRoundingRule? { function.rounding }
        func inputDerivative(_ x: Float, stepSize: Float) -> Float { function.inputDerivative(x, stepSize: stepSize) }
        func stepSizeDerivative(_ x: Float, stepSize: Float) -> Float { function.stepSizeDerivative(x, stepSize: stepSize) }

        func backward(
            input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>, count: Int,
            stepSize: Float,
            threads: Int
        ) -> Double {
            var (sum, magnitude) = (0.0, 0.0)
            for i in 0..<count {
                let term = Double(stepSizeDerivative(input[i], stepSize: stepSize)) * Double(outputGradient[i])
                (sum, magnitude) = (sum + term, magnitude + abs(term))
                inputGradient[i] = inputDerivative(input[i], stepSize: stepSize) * outputGradient[i]
            }
            sums.all.withLock { $0.append((sum, magnitude)) }
            return sum
        }
    }

    /// |Σ| over Σ|…| of each α-gradient, from the last activation to the first, in the first mini-batch after calibration.
    private func relativeGradients(_ network: String, _ rule: CoarseStepSizeDerivative) throws -> [Double] {
        let sums = Recorder.Sums(), batch = 8, shape = FeatureShape(height: 32, width: 32, channels: 3)
        let recorder = Recorder(function: try QuantizedReLU(bits: 4, stepSizeDerivative: rule), sums: sums)
        let graph = try NetworkGraph.named(network, input: shape, classes: 10).quantized(.quantized(recorder), nil)
        let context = ExecutionContext(engine: try Engine(threads: 1), batch: batch), compiled = try Network(graph, in: context)
        compiled.initialize(seed: 1)
        var random = Philox(seed: 2, stream: 0)
        let images = shape.tensor(batch: batch)
        images.set((0..<images.count).map { _ in Float(random.normal()) })
        let loss = SoftmaxCrossEntropy(classes: 10, in: context)
        _ = try compiled.forward(images, batch: batch, mode: .calibration)
        _ = loss(try compiled.forward(images, batch: batch, mode: .training), labels: (0..<Int32(batch)).map { $0 % 10 }, batch: batch)
        try compiled.backward(loss.gradient, batch: batch)
        return sums.all.withLock { $0.map { abs($0.sum) / $0.magnitude } }
    }

    /// Batch norm's ε = 1e-5 breaks the law by about ε over the variance, and f32 sums by 1e-7: below 1e-5. The
    /// three-valued rule has no such law, nor has the last activation, which feeds the linear layer.
    @Test func stepSizesBeforeBatchNormHaveNoGradient() throws {
        let exact = try relativeGradients("vgg11", .almostEverywhere), coarse = try relativeGradients("vgg11", .threeValued)
        #expect(exact.count == 8 && exact.dropFirst().allSatisfy { $0 < 1e-5 }, "\(exact)")
        #expect(exact[0] > 1e-3 && coarse.allSatisfy { $0 > 1e-4 }, "\(exact[0]), \(coarse)")
    }

    /// In a residual network it holds within a block, and not where an activation feeds a shortcut as well: from the last, every second.
    @Test func shortcutsAreNoPartOfTheLaw() throws {
        let exact = try relativeGradients("resnet20", .almostEverywhere)
        let (shortcuts, inner) = (
            exact.indices.filter { $0 % 2 == 0 }.map { exact[$0] }, exact.indices.filter { $0 % 2 == 1 }.map { exact[$0] }
        )
        #expect(exact.count == 19 && inner.allSatisfy { $0 < 1e-5 }, "\(inner)")
        #expect(shortcuts.allSatisfy { $0 > 1e-5 }, "\(shortcuts)")
    }
}
