// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Graph
import Parallelism
import Statistics
import Testing

/// The bf16 passes, of the own kernels on every path and of oneDNN, against the plain loops.
@Suite struct BF16ConvolutionTests {
    /// Values and gradients normal and rounded to bf16, weights normal f32. Seed 61.
    private struct Problem {
        let c: Case
        let x, dy: [UInt16]
        let weights: [Float]

        init(_ c: Case) {
            var random = Philox(seed: 61, stream: 0)
            func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in Float(random.normal()) } }
            self.c = c
            x = numbers(c.batch * c.shape.input.count).map(BF16.rounded)
            dy = numbers(c.batch * c.shape.output.count).map(BF16.rounded)
            weights = numbers(c.output * c.input * c.kernel * c.kernel)
        }

        /// The values that the passes multiply: exact in f32 and Double.
        var values: [Float] { x.map(BF16.float) }
        var gradients: [Float] { dy.map(BF16.float) }
        var rounded: [Float] { weights.map { BF16.float(BF16.rounded($0)) } }
    }

    /// Runs `body` on a buffer between guards, over a pattern: what it leaves out or writes beside shows.
    private func guarded<T: Equatable>(_ count: Int, _ pattern: T, _ body: (UnsafeMutablePointer<T>) throws -> Void) rethrows -> [T] {
        var buffer = [T](repeating: pattern, count: count + 128)
        try buffer.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { try body(base + 64) } }
        #expect(buffer.prefix(64).allSatisfy { $0 == pattern } && buffer.suffix(64).allSatisfy { $0 == pattern })
        return Array(buffer[64..<64 + count])
    }

    @Test(arguments: QuantizedConvolutionTests.cases)
    func passesMatchDouble(_ c: Case) throws {
        let data = Problem(c)
        let (x, w, dy) = (data.values, data.rounded, data.gradients)
        let (sizeX, sizeW, sizeDY) = (x.map(abs), w.map(abs), dy.map(abs))
        typealias Reference = QuantizedConvolutionReference
        let (exactY, sizeY) = (
            Reference.forward(x, w, c.shape, batch: c.batch), Reference.forward(sizeX, sizeW, c.shape, batch: c.batch)
        )
        let (exactDX, sizeDX) = (
            Reference.inputGradient(dy, w, c.shape, batch: c.batch), Reference.inputGradient(sizeDY, sizeW, c.shape, batch: c.batch)
        )
        let (exactDW, sizeDW) = (
            Reference.weightGradient(x, dy, c.shape, batch: c.batch), Reference.weightGradient(sizeX, sizeDY, c.shape, batch: c.batch)
        )
        let (taps, positions) = (c.kernel * c.kernel, c.shape.output.height * c.shape.output.width)
        for set in InstructionSet.available {
            for threads in [1, 2] {
                let (y, dx, dw) = try set.limit { try passes(data, threads: threads) }
                let yAgrees = agree(y.map(BF16.float), exactY, size: sizeY, products: c.input * taps, rounding: 0x1p-8)
                let dxAgrees = agree(dx.map(BF16.float), exactDX, size: sizeDX, products: c.output * taps, rounding: 0x1p-8)
                let dwAgrees = agree(dw, exactDW, size: sizeDW, products: c.batch * positions, rounding: 0)
                #expect(
                    yAgrees && dxAgrees && dwAgrees,
                    "\(set): forward \(yAgrees), input gradient \(dxAgrees), weight gradient \(dwAgrees)")
            }
        }
    }

    /// Results, input gradients, weight gradients.
    private func passes(_ data: Problem, threads: Int) throws -> ([UInt16], [UInt16], [Float]) {
        let c = data.c, convolution = BF16Convolution(c.shape, batch: c.batch, engine: try Engine(threads: threads))
        convolution.setWeights(data.weights)
        return (
            guarded(data.dy.count, 0x7e00) { convolution.forward(input: data.x, output: $0, batch: c.batch) },
            guarded(data.x.count, 0x7e00) { convolution.backwardInput(outputGradient: data.dy, inputGradient: $0, batch: c.batch) },
            guarded(data.weights.count, Float(1e30)) {
                convolution.backwardWeight(
                    input: data.x, outputGradient: data.dy, units: [Float](repeating: 1, count: c.output), weightGradient: $0,
                    batch: c.batch)
            }
        )
    }

    /// An image's results are the same bits alone and among 13, of which eight share a register block: of a shard, whatever the ranks.
    @Test(arguments: InstructionSet.available, [(16, 16, 3, 1), (32, 16, 3, 1), (16, 48, 3, 1), (32, 16, 3, 2), (32, 32, 1, 1)])
    func imagesDoNotDependOnEachOther(_ set: InstructionSet, _ of: (input: Int, output: Int, kernel: Int, stride: Int)) throws {
        try set.limit {
            let batch = 13
            let c = Case(
                height: 6, width: 21, input: of.input, output: of.output, kernel: of.kernel, stride: of.stride, batch: batch)
            let data = Problem(c), (sizeX, sizeY) = (c.shape.input.count, c.shape.output.count)
            let convolution = BF16Convolution(c.shape, batch: batch, engine: try Engine(threads: 1))
            convolution.setWeights(data.weights)
            func results(_ images: Range<Int>) -> (y: [UInt16], dx: [UInt16]) {
                let x = Array(data.x[images.lowerBound * sizeX..<images.upperBound * sizeX])
                let dy = Array(data.dy[images.lowerBound * sizeY..<images.upperBound * sizeY])
                return (
                    guarded(dy.count, 0x7e00) { convolution.forward(input: x, output: $0, batch: images.count) },
                    guarded(x.count, 0x7e00) { convolution.backwardInput(outputGradient: dy, inputGradient: $0, batch: images.count) }
                )
            }
            let all = results(0..<batch), single = (0..<batch).map { results($0..<$0 + 1) }
            #expect(firstDifference(all.y, single.flatMap(\.y)) == nil && firstDifference(all.dx, single.flatMap(\.dx)) == nil)
        }
    }

    /// Weights δ·q with the factor 1/δ are the integer weights q, exactly: the results are `QuantizedConvolution`'s of levels in bf16,
    /// bit for bit after rounding.
    @Test(arguments: InstructionSet.available)
    func quantizedWeightsAreExact(_ set: InstructionSet) throws {
        try set.limit {
            let c = Case(height: 7, width: 5, input: 32, output: 48, kernel: 3, stride: 1, batch: 9)
            for delta in [Float(0.037), 1.7e-4, 3] {
                let integer = ComputeTests.Problem(c, level: 15, code: 127)
                let convolution = BF16Convolution(c.shape, batch: c.batch, engine: try Engine(threads: 1))
                convolution.setWeights(integer.integerWeights.map { delta * Float($0) }, factor: 1 / delta)
                let levels = integer.levels.map { BF16.rounded(Float($0)) }
                let y = guarded(integer.gradient.count, 0x7e00) { convolution.forward(input: levels, output: $0, batch: c.batch) }
                // Sums below 2²⁴ are exact in f32.
                let exact = QuantizedConvolutionReference.forward(integer.levels, integer.integerWeights, c.shape, batch: c.batch)
                #expect(firstDifference(y, exact.map { BF16.rounded(Float($0)) }) == nil)
                let dx = guarded(levels.count, 0x7e00) {
                    convolution.backwardInput(outputGradient: integer.gradient, inputGradient: $0, batch: c.batch)
                }
                let same = try integer.convolution(threads: 1)
                #expect(firstDifference(dx, integer.inputGradient16(same)) == nil)
            }
        }
    }

    /// oneDNN's bf16 on images of 3 channels, 3×3 and 7×7 with stride 2, as a first convolution has them.
    @Test(.enabled(if: QuantizedConvolution.Path.best == .avx512, "bf16 needs AVX-512"), arguments: [(3, 1, 1), (7, 2, 3)])
    func firstConvolutionMatchesDouble(_ kernel: Int, _ stride: Int, _ padding: Int) throws {
        let shape = ConvolutionShape(
            input: .init(height: 14, width: 14, channels: 3), outputChannels: 16, kernel: kernel, stride: stride, padding: padding)
        let batch = 3
        var random = Philox(seed: 62, stream: 0)
        func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in Float(random.normal()) } }
        var x = numbers(batch * shape.input.count).map(BF16.rounded), dy = numbers(batch * shape.output.count).map(BF16.rounded)
        let weight = Tensor([16, 3, kernel, kernel], numbers(16 * 3 * kernel * kernel))
        let (values, w) = (x.map(BF16.float), weight.values.map { BF16.float(BF16.rounded($0)) })
        let gradients = dy.map(BF16.float)
        let convolution = Convolution(shape, hasBias: false, maps: .bf16, engine: try Engine(threads: 2))
        let y = try guarded(dy.count, 0x7e00) { try convolution.forward(input: &x, weight: weight, output: $0, batch: batch) }
        typealias Reference = QuantizedConvolutionReference
        let yAgrees = agree(
            y.map(BF16.float), Reference.forward(values, w, shape, batch: batch),
            size: Reference.forward(values.map(abs), w.map(abs), shape, batch: batch), products: 3 * kernel * kernel,
            rounding: 0x1p-8)
        let dw = Tensor(weight.shape)
        try convolution.backwardWeight(input: &x, outputGradient: &dy, weightGradient: dw, batch: batch)
        let dwAgrees = agree(
            dw.values, Reference.weightGradient(values, gradients, shape, batch: batch),
            size: Reference.weightGradient(values.map(abs), gradients.map(abs), shape, batch: batch),
            products: batch * shape.output.height * shape.output.width, rounding: 0)
        #expect(yAgrees && dwAgrees, "forward \(yAgrees), weight gradient \(dwAgrees)")
    }
}
