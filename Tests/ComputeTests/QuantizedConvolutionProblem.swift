// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Graph
import Statistics
import Testing

/// A convolution and its batch, named as test output shows it.
struct Case: CustomStringConvertible, Sendable {
    let height, width, input, output, kernel, stride, batch: Int

    var shape: ConvolutionShape {
        ConvolutionShape(
            input: .init(height: height, width: width, channels: input), outputChannels: output, kernel: kernel,
            stride: stride, padding: kernel / 2)
    }

    var description: String {
        "\(batch)×\(height)×\(width)×\(input) → \(output), \(kernel)×\(kernel), stride \(stride)"
    }
}

/// Random levels, integer weights and bf16 gradients of a case, and each pass over them. Results are written between guards, over
/// a pattern, so that what a kernel leaves out or writes beside its output shows.
struct Problem {
    let shape: Case
    let level, code: Int
    var levels: [UInt8]
    var integerWeights: [Int8]
    var gradient: [UInt16]
    var gradientValues: [Float] { gradient.map(BF16.float) }

    /// Levels 0…level and integer weights −code…code, uniform; gradients normal. Seed 60.
    init(_ c: Case, level: Int, code: Int) {
        var random = Philox(seed: 60, stream: 0)
        (shape, self.level, self.code) = (c, level, code)
        levels = (0..<c.batch * c.shape.input.count).map { _ in UInt8.random(in: 0...UInt8(level), using: &random) }
        integerWeights = (0..<c.output * c.input * c.kernel * c.kernel).map { _ in Int8.random(in: Int8(-code)...Int8(code), using: &random)
        }
        gradient = (0..<c.batch * c.shape.output.count).map { _ in BF16.rounded(Float(random.normal())) }
    }

    func convolution(threads: Int) throws -> QuantizedConvolution {
        let convolution = QuantizedConvolution(
            shape.shape, qmax: level, maximumIntegerWeight: code, batch: shape.batch, engine: try Engine(threads: threads))
        convolution.setIntegerWeights(integerWeights)
        return convolution
    }

    func forward32(_ convolution: QuantizedConvolution) -> [Int32] {
        guarded(gradient.count, 0x5555_5555) { convolution.forward(levels: levels, output: $0, batch: shape.batch) }
    }
    func forward16(_ convolution: QuantizedConvolution) -> [Int16] {
        guarded(gradient.count, 0x5555) { convolution.forward(levels: levels, output: $0, batch: shape.batch) }
    }
    func inputGradient16(_ convolution: QuantizedConvolution) -> [UInt16] {
        guarded(levels.count, 0x7e00) { convolution.backwardInput(outputGradient: gradient, inputGradient: $0, batch: shape.batch) }
    }
    /// With another unit for each output channel, a power of two, which is divided out again without rounding.
    func weightGradient(_ convolution: QuantizedConvolution) -> [Float] {
        let units = (0..<shape.output).map { [0.25, 0.5, 1, 2, 4][$0 % 5] as Float }
        let found = guarded(integerWeights.count, 1e30 as Float) {
            convolution.backwardWeight(
                levels: levels, outputGradient: gradient, units: units, weightGradient: $0, batch: shape.batch)
        }
        return found.indices.map { found[$0] / units[$0 * shape.output / found.count] }
    }

    func guarded<T: Equatable>(_ count: Int, _ pattern: T, _ run: (UnsafeMutablePointer<T>) -> Void) -> [T] {
        let border = 64
        var buffer = [T](repeating: pattern, count: border + count + border)
        buffer.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { run(base + border) } }
        #expect(buffer.prefix(border).allSatisfy { $0 == pattern } && buffer.suffix(border).allSatisfy { $0 == pattern })
        return Array(buffer[border..<border + count])
    }
}

/// Where two results first differ: an expectation on whole arrays would print them.
func firstDifference<T: Equatable>(_ a: [T], _ b: [T]) -> Int? {
    a.count == b.count ? zip(a, b).enumerated().first { $0.element.0 != $0.element.1 }?.offset : min(a.count, b.count)
}

/// Products are exact in f32 (8 × 8 bits), so a sum of n products errs by at most n·2⁻²⁴·Σ|products|, 1.01 covering the
/// terms of second order; rounding to bf16 (8 significant bits) adds 2⁻⁸ of the result.
func agree(_ result: [Float], _ exact: [Double], size: [Double], products: Int, rounding: Double) -> Bool {
    result.count == exact.count
        && zip(result, zip(exact, size)).allSatisfy {
            abs(Double($0) - $1.0) <= 1.01 * (Double(products) * 0x1p-24 * $1.1 + rounding * abs($1.0))
        }
}
