// SPDX-License-Identifier: GPL-3.0-or-later
import CAllocations
import CKernels
import Compute
import Graph
import Statistics
import Testing

/// oneDNN's convolutions, as they are called, against their definition on shapes that no network of the suite has.
@Suite struct ConvolutionTests {
    /// Strided 1×1 convolutions of few channels, whose weight gradient oneDNN 2.6 computes in memory that is not its own.
    @Test(arguments: [(64, 8, 2), (30, 3, 3), (64, 13, 2), (9, 20, 2)])
    func stridedPointwiseWeightGradients(side: Int, inputs: Int, threads: Int) throws {
        let batch = 32, engine = try Engine(threads: threads)
        let shape = ConvolutionShape(
            input: FeatureShape(height: side, width: side, channels: inputs), outputChannels: 16, kernel: 1, stride: 2, padding: 0)
        var random = Philox(seed: 31, stream: UInt64(side + inputs))
        func noise(_ shape: FeatureShape) -> Tensor {
            let tensor = shape.tensor(batch: batch)
            tensor.set((0..<tensor.count).map { _ in BF16.float(BF16.rounded(Float(random.normal()))) })
            return tensor
        }
        let x = noise(shape.input), dy = noise(shape.output)
        let exact = QuantizedConvolutionReference.weightGradient(x.values, dy.values, shape, batch: batch)
        let size = QuantizedConvolutionReference.weightGradient(
            x.values.map(\.magnitude), dy.values.map(\.magnitude), shape, batch: batch)
        let gradients = try guarded {
            let gradient = Tensor([16, inputs, 1, 1])
            try Convolution(shape, hasBias: false, engine: engine).backwardWeight(
                input: x, outputGradient: dy, weightGradient: gradient, biasGradient: nil, batch: batch)
            guard QuantizedConvolution.Path.best == .avx512 else { return [gradient] }
            let rounded = Tensor(gradient.shape)
            var (x16, dy16) = (x.values.map(BF16.rounded), dy.values.map(BF16.rounded))
            try Convolution(shape, hasBias: false, maps: .bf16, engine: engine).backwardWeight(
                input: &x16, outputGradient: &dy16, weightGradient: rounded, batch: batch)
            return [gradient, rounded]
        }
        // A sum of n products in f32 errs by less than n·2⁻²⁴ of their sizes.
        let limit = Double(batch * shape.output.height * shape.output.width) * 0x1p-24
        for gradient in gradients {
            #expect(zip(gradient.values, zip(exact, size)).allSatisfy { abs(Double($0) - $1.0) <= limit * $1.1 })
        }
    }

    /// All passes of small and odd shapes stay within their memory, and leave nothing as it was there. Seed 32.
    @Test func noPassWritesBeyondItsMemory() throws {
        var random = Philox(seed: 32, stream: 0)
        for threads in [1, 2, 3] {
            let engine = try Engine(threads: threads)
            for _ in 0..<60 {
                let kernel = [1, 1, 2, 3, 5, 7].randomElement(using: &random) ?? 1, padding = Int.random(in: 0...kernel / 2, using: &random)
                let (height, width) = (Int.random(in: kernel...40, using: &random), Int.random(in: kernel...40, using: &random))
                let shape = ConvolutionShape(
                    input: FeatureShape(height: height, width: width, channels: Int.random(in: 1...20, using: &random)),
                    outputChannels: Int.random(in: 1...40, using: &random), kernel: kernel, stride: Int.random(in: 1...3, using: &random),
                    padding: padding)
                let batch = Int.random(in: 1...9, using: &random)
                try guarded("\(shape), batch \(batch), \(threads) threads") {
                    let weight = Tensor([shape.outputChannels, shape.input.channels, kernel, kernel])
                    let (x, y, dx) = (shape.input.tensor(batch: batch), shape.output.tensor(batch: batch), shape.input.tensor(batch: batch))
                    let all = Convolution(shape, hasBias: false, engine: engine)
                    try all.forward(input: x, weight: weight, bias: nil, output: y, batch: batch)
                    #expect(y.values.allSatisfy { $0 == 0 })
                    try all.backwardInput(outputGradient: y, weight: weight, inputGradient: dx, batch: batch)
                    try all.backwardWeight(input: x, outputGradient: y, weightGradient: weight, biasGradient: nil, batch: batch)
                    #expect((dx.values + weight.values).allSatisfy { $0 == 0 })
                }
            }
        }
    }

    /// Runs `body` while memory is followed by bytes that nobody may write, 64 KiB of them, and holds huge numbers at first.
    private func guarded<Result>(_ what: String = "", _ body: () throws -> Result) rethrows -> Result {
        _ = allocations_overrun()
        allocations_guard(1 << 16)
        defer {
            allocations_guard(0)
            #expect(allocations_overrun() == 0, "\(what)")
        }
        return try body()
    }
}
