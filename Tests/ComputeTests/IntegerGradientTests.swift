// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph
import Parallelism
import Testing

/// Gradients in integers of 16 bits: exact sums, each result rounded from its sum as written here, on every instruction set and for any
/// number of threads, bit for bit.
@Suite struct IntegerGradientTests {
    /// Not a power of two, so that the product is rounded.
    private static let scale: Float = 0.0123

    private static func convolution(_ data: Problem, threads: Int) throws -> QuantizedConvolution {
        let convolution = QuantizedConvolution(
            data.shape.shape, qmax: data.level, maximumIntegerWeight: data.code, batch: data.shape.batch, gradients: .s16,
            engine: try Engine(threads: threads))
        convolution.setIntegerWeights(data.integerWeights)
        return convolution
    }

    /// The gradients of a problem, all of the range: its bits as they are, held to the limit.
    private static func integers(_ data: Problem, limit: Int) -> [Int16] {
        data.gradient.map { Int16(max(-limit, min(limit, Int(Int16(bitPattern: $0))))) }
    }

    @Test(arguments: QuantizedConvolutionTests.cases)
    func areRoundedFromExactSums(_ c: Case) throws {
        for (level, code) in [(15, 1), (255, 127)] {
            let data = Problem(c, level: level, code: code)
            let dy = Self.integers(data, limit: try Self.convolution(data, threads: 1).gradientLimit), values = dy.map { Float($0) }
            let dx = QuantizedConvolutionReference.inputGradient(values, data.integerWeights, c.shape, batch: c.batch)
            let dq = QuantizedConvolutionReference.weightGradient(data.levels, values, c.shape, batch: c.batch)
            let units = (0..<c.output).map { 0.3 + Float($0) }, row = dq.count / c.output
            let expected = dq.indices.map { Float(dq[$0] * (Double(Self.scale) * Double(units[$0 / row]))) }
            for set in InstructionSet.available {
                try set.limit {
                    for threads in [1, 2, 3] {
                        let convolution = try Self.convolution(data, threads: threads)
                        for scale in [Self.scale, 0x1.8p-140, .nan] {  // results may be numbers that are not normal, or none
                            let input: [UInt16] = data.guarded(data.levels.count, 0x7e00) {
                                convolution.backwardInput(outputGradient: dy, scale: scale, inputGradient: $0, batch: c.batch)
                            }
                            #expect(firstDifference(input, dx.map { BF16.rounded(Float($0) * scale) }) == nil, "\(set), \(scale)")
                        }
                        let weight: [Float] = data.guarded(dq.count, 1e30) {
                            convolution.backwardWeight(
                                levels: data.levels, outputGradient: dy, scale: Self.scale, units: units, weightGradient: $0, batch: c.batch
                            )
                        }
                        #expect(firstDifference(weight, expected) == nil, "\(set)")
                    }
                }
            }
        }
    }

    /// All at their limits, in both signs: no sum of 32 bits overflows, be it over outputs or over pixels and images.
    @Test(arguments: InstructionSet.available, [(1, 15, 1), (1, 15, -1), (127, 255, 1), (127, 255, -1)])
    func holdAtTheLimits(_ set: InstructionSet, _ limits: (code: Int, level: Int, sign: Int)) throws {
        try set.limit {
            let c = Case(height: 20, width: 24, input: 16, output: 32, kernel: 3, stride: 1, batch: 6)
            var data = Problem(c, level: limits.level, code: limits.code)
            data.levels = data.levels.map { _ in UInt8(limits.level) }
            data.integerWeights = data.integerWeights.map { _ in Int8(limits.sign * limits.code) }
            let convolution = try Self.convolution(data, threads: 2), limit = convolution.gradientLimit
            // 32·9·127 = 36 576 terms of one: 2³¹/36 576 = 58 713, beyond 16 bits; at 1 bit far beyond.
            #expect(limit == 32767)
            let dy = [Int16](repeating: Int16(limit), count: data.gradient.count)
            let input: [UInt16] = data.guarded(data.levels.count, 0x7e00) {
                convolution.backwardInput(outputGradient: dy, scale: 1, inputGradient: $0, batch: c.batch)
            }
            let inside = (c.width + 1) * c.input  // the second pixel of the second row has all nine taps
            #expect(BF16.float(input[inside]) == BF16.float(BF16.rounded(Float(limits.sign * limit * 9 * 32 * limits.code))))
            let weight: [Float] = data.guarded(data.integerWeights.count, 1e30) {
                convolution.backwardWeight(
                    levels: data.levels, outputGradient: dy, scale: 1, units: [Float](repeating: 1, count: c.output), weightGradient: $0,
                    batch: c.batch)
            }
            #expect(weight[4] == Float(Double(limit * limits.level * c.height * c.width * c.batch)))  // the tap that never leaves the image
        }
    }

    /// O·K² terms of the largest weight: 512·9·127 leaves 2³¹/585 216 = 3669.
    @Test func theLimitLeavesRoomForTheSum() throws {
        func limit(_ outputs: Int, code: Int) throws -> Int {
            let shape = ConvolutionShape(
                input: .init(height: 1, width: 1, channels: 16), outputChannels: outputs, kernel: 3, stride: 1, padding: 1)
            return QuantizedConvolution(
                shape, qmax: 15, maximumIntegerWeight: code, batch: 1, gradients: .s16, engine: try Engine(threads: 1)
            ).gradientLimit
        }
        #expect(try limit(512, code: 127) == 3669 && limit(512, code: 7) == 32767 && limit(16, code: 1) == 32767)
    }
}
