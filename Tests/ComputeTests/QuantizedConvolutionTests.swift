// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Foundation
import Graph
import Parallelism
import Statistics
import Testing

/// The kernels against the plain loops, on every instruction set.
@Suite struct QuantizedConvolutionTests {
    /// Odd sizes, single pixels, every mixture of blocks of 16 and 32 channels, both kernels and strides; batches of one
    /// image, of part of a group of 8 images, of a group and a remainder, even and odd.
    static let cases: [Case] =
        [(7, 5), (1, 1), (2, 2), (1, 4), (5, 13)].flatMap { height, width in
            [(16, 16), (16, 32), (32, 16), (48, 32), (32, 48)].flatMap { input, output in
                [(3, 1), (3, 2), (1, 1), (1, 2)].map { kernel, stride in
                    let batches = [1, 2, 3, 9, 16]
                    return Case(
                        height: height, width: width, input: input, output: output, kernel: kernel, stride: stride,
                        batch: batches[(height + width + input / 16 + output / 8 + kernel + stride) % batches.count])
                }
            }
        } + [
            Case(height: 32, width: 32, input: 16, output: 16, kernel: 3, stride: 1, batch: 19),  // several chunks of images
            Case(height: 4, width: 3, input: 128, output: 160, kernel: 3, stride: 1, batch: 5),  // channels shared out
            Case(height: 16, width: 16, input: 144, output: 128, kernel: 3, stride: 1, batch: 13)  // and several chunks
        ]

    @Test(arguments: cases)
    func forwardIsExact(_ c: Case) throws {
        for (level, code) in [(15, 1), (255, 127), (3, 7)] {
            let data = Problem(c, level: level, code: code)
            let expected = QuantizedConvolutionReference.forward(data.levels, data.integerWeights, c.shape, batch: c.batch)
            for set in InstructionSet.available {
                try set.limit {
                    for threads in [1, 2] {
                        let convolution = try data.convolution(threads: threads)
                        #expect(firstDifference(data.forward32(convolution), expected) == nil, "\(set)")
                        if convolution.fitsInt16 {
                            #expect(firstDifference(data.forward16(convolution), expected.map { Int16($0) }) == nil, "\(set)")
                        }
                    }
                }
            }
        }
    }

    /// All levels and integer weights at their limits, in both signs: the largest sums that the types are promised to hold.
    @Test(arguments: InstructionSet.available)
    func forwardIsExactAtTheLimits(_ set: InstructionSet) throws {
        try set.limit {
            let c = Case(height: 3, width: 4, input: 32, output: 32, kernel: 3, stride: 1, batch: 2)
            for (level, code) in [(255, 127), (255, -127), (113, 1), (113, -1)] {
                var data = Problem(c, level: level, code: abs(code))
                data.levels = data.levels.map { _ in UInt8(level) }
                data.integerWeights = data.integerWeights.map { _ in Int8(code) }
                let convolution = try data.convolution(threads: 1)
                let expected = QuantizedConvolutionReference.forward(data.levels, data.integerWeights, c.shape, batch: c.batch)
                #expect(expected.map(abs).max() == Int32(32 * 9 * level * abs(code)))
                #expect(firstDifference(data.forward32(convolution), expected) == nil)
                #expect(convolution.fitsInt16 == (level == 113))  // 32·9·113 = 32 544 ≤ 32 767
                if convolution.fitsInt16 { #expect(firstDifference(data.forward16(convolution), expected.map { Int16($0) }) == nil) }
            }
        }
    }

    /// The AVX2 path rounds as plain C compiled for AVX2 does: the same bits in every pass, also where infinities meet.
    @Test(.enabled(if: QuantizedConvolution.Path.best != .portable, "this processor has no AVX2"), arguments: cases)
    func avx2HasTheBitsOfPlainC(_ c: Case) throws {
        try InstructionSet.available[1].limit {
            var data = Problem(c, level: 3, code: 7)
            let specials: [UInt16] = [0x7f80, 0xff80, 0x8000]
            for (i, special) in specials.enumerated() where 5 * i < data.gradient.count { data.gradient[5 * i] = special }
            let paths: [QuantizedConvolution.Path] = [.portable, .avx2]
            let convolutions = try paths.map { path in
                let convolution = QuantizedConvolution(
                    c.shape, qmax: 3, maximumIntegerWeight: 7, batch: c.batch, engine: try Engine(threads: 2), path: path)
                convolution.setIntegerWeights(data.integerWeights)
                return convolution
            }
            func same<T: Equatable>(_ pass: (QuantizedConvolution) -> [T]) -> Bool {
                firstDifference(pass(convolutions[0]), pass(convolutions[1])) == nil
            }
            #expect(same(data.forward32) && same(data.inputGradient16))
            #expect(!convolutions[0].fitsInt16 || same(data.forward16))
            #expect(same { data.weightGradient($0).map(\.bitPattern) })
        }
    }

    @Test func sixteenBitsAreOfferedWhileTheLargestSumFits() throws {
        let shape = ConvolutionShape(input: .init(height: 2, width: 2, channels: 240), outputChannels: 16, kernel: 3, stride: 1, padding: 1)
        let engine = try Engine(threads: 1)
        // 240·9·15 = 32 400; a level more gives 34 560.
        #expect(QuantizedConvolution(shape, qmax: 15, maximumIntegerWeight: 1, batch: 1, engine: engine).fitsInt16)
        #expect(!QuantizedConvolution(shape, qmax: 16, maximumIntegerWeight: 1, batch: 1, engine: engine).fitsInt16)
        #expect(!QuantizedConvolution(shape, qmax: 8, maximumIntegerWeight: 2, batch: 1, engine: engine).fitsInt16)
    }

    /// The products are exact in f32 (8 × 8 bits), so an element's error is at most one rounding, 2⁻²⁴ of the partial
    /// sum, for each product added: (number of products)·2⁻²⁴·Σ|products|, and then 2⁻⁸ of the result by rounding to bf16. 1.01
    /// covers the terms of second order.
    @Test(arguments: cases)
    func inputGradientMatchesDouble(_ c: Case) throws {
        let data = Problem(c, level: 15, code: 127)
        let exact = QuantizedConvolutionReference.inputGradient(data.gradientValues, data.integerWeights, c.shape, batch: c.batch)
        let size = QuantizedConvolutionReference.inputGradient(
            data.gradientValues.map(abs), data.integerWeights.map(abs), c.shape, batch: c.batch)
        let products = c.output * c.kernel * c.kernel
        for set in InstructionSet.available {
            try set.limit {
                for threads in [1, 2] {
                    let convolution = try data.convolution(threads: threads)
                    let result = data.inputGradient16(convolution).map(BF16.float)
                    #expect(agree(result, exact, size: size, products: products, rounding: 0x1p-8), "\(set)")
                }
            }
        }
    }

    /// As above, with one product for each position and image.
    @Test(arguments: cases)
    func weightGradientMatchesDouble(_ c: Case) throws {
        let data = Problem(c, level: 255, code: 1)
        let exact = QuantizedConvolutionReference.weightGradient(data.levels, data.gradientValues, c.shape, batch: c.batch)
        let size = QuantizedConvolutionReference.weightGradient(data.levels, data.gradientValues.map(abs), c.shape, batch: c.batch)
        let products = c.batch * c.shape.output.height * c.shape.output.width
        for set in InstructionSet.available {
            try set.limit {
                for threads in [1, 2] {
                    let convolution = try data.convolution(threads: threads)
                    let result = data.weightGradient(convolution)
                    #expect(agree(result, exact, size: size, products: products, rounding: 0), "\(set)")
                    #expect(firstDifference(data.weightGradient(convolution), result) == nil, "a repeat differs")
                }
            }
        }
    }

    /// Planned for more images than come: the results are those of the images that came, bit for bit.
    @Test(arguments: InstructionSet.available)
    func aSmallerBatchUsesTheLeadingImages(_ set: InstructionSet) throws {
        try set.limit {
            let c = Case(height: 6, width: 5, input: 16, output: 32, kernel: 3, stride: 1, batch: 5)
            let data = Problem(c, level: 15, code: 7)
            let large = QuantizedConvolution(
                c.shape, qmax: 15, maximumIntegerWeight: 7, batch: 40, engine: try Engine(threads: 2))
            large.setIntegerWeights(data.integerWeights)
            let exact = try data.convolution(threads: 2)
            #expect(firstDifference(data.forward32(large), data.forward32(exact)) == nil)
            #expect(firstDifference(data.inputGradient16(large), data.inputGradient16(exact)) == nil)
            #expect(firstDifference(data.weightGradient(large), data.weightGradient(exact)) == nil)
        }
    }

    /// PyTorch's integer convolutions (Tests/BackendsTests/pytorch), equal in every bit.
    @Test(arguments: InstructionSet.available, ["conv_integer_binary", "conv_integer_ternary", "conv_integer_4bit"])
    func forwardEqualsPyTorch(_ set: InstructionSet, _ name: String) throws {
        try set.limit {
            let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let file = try SafetensorsFile(path: folder.appending(path: "BackendsTests/Vectors/\(name).safetensors").path)
            let (x, weight) = (try #require(file.tensors["x"]).shape, try #require(file.tensors["weight"]).shape)
            let stride = try #require(file.metadata["stride"].flatMap { Int($0) })
            let limit = try #require(file.metadata["weight_limit"].flatMap { Int($0) })
            let c = Case(
                height: x[1], width: x[2], input: x[3], output: weight[0], kernel: weight[2], stride: stride, batch: x[0])
            var data = Problem(c, level: 15, code: limit)
            data.levels = try file.values(UInt8.self, named: "x")
            data.integerWeights = try file.values(Int8.self, named: "weight")
            let expected = try file.values(Int32.self, named: "y")
            let convolution = try data.convolution(threads: 2)
            #expect(firstDifference(data.forward32(convolution), expected) == nil)
            #expect(firstDifference(data.forward16(convolution), expected.map { Int16($0) }) == nil)
            let reference = QuantizedConvolutionReference.forward(data.levels, data.integerWeights, c.shape, batch: c.batch)
            #expect(firstDifference(reference, expected) == nil)
        }
    }
}
