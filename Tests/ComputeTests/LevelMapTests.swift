// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Parallelism
import Statistics
import Testing

/// The small passes over maps against plain loops, on every instruction set, bit for bit: each element takes the same roundings
/// in the same order everywhere.
@Suite struct LevelMapTests {
    private static let shapes = [
        ck_shortcut(images: 3, height: 6, width: 4, channels: 16, stride: 2, pad: 8),
        ck_shortcut(images: 2, height: 5, width: 7, channels: 19, stride: 2, pad: 0),
        ck_shortcut(images: 1, height: 1, width: 1, channels: 3, stride: 2, pad: 1),
        ck_shortcut(images: 2, height: 4, width: 5, channels: 33, stride: 1, pad: 0)
    ]

    /// Every bf16 that is a number, at random, and the special ones first. Seed 62.
    private static func values(_ count: Int, stream: UInt64) -> [UInt16] {
        var random = Philox(seed: 62, stream: stream)
        let special: [UInt16] = [0, 0x8000, 0x7f80, 0xff80, 0x7fc0, 0x0001, 0x7f7f]
        return (0..<count).map {
            $0 < special.count ? special[$0] : UInt16.random(in: 0...0x5fff, using: &random) | ($0 % 3 == 0 ? 0x8000 : 0)
        }
    }

    /// NaNs as one: which of two a sum keeps is up to the processor.
    private static func numbers(_ bits: [UInt16]) -> [UInt16] { bits.map { BF16.float($0).isNaN ? 0x7fc0 : $0 } }

    @Test(arguments: InstructionSet.available, [1, 3])
    func shortcuts(_ set: InstructionSet, threads: Int32) {
        for s in Self.shapes {
            let (rows, columns, wide) = ((s.height + s.stride - 1) / s.stride, (s.width + s.stride - 1) / s.stride, s.channels + 2 * s.pad)
            let large = Self.values(s.images * s.height * s.width * s.channels, stream: 1),
                small = Self.values(s.images * rows * columns * wide, stream: 2)
            var (expected, sums) = ([UInt16](repeating: 0, count: small.count), large)
            for n in 0..<s.images {
                for h in 0..<rows {
                    for w in 0..<columns {
                        for c in 0..<s.channels {
                            let from = ((n * s.height + h * s.stride) * s.width + w * s.stride) * s.channels + c
                            let to = ((n * rows + h) * columns + w) * wide + s.pad + c
                            expected[to] = large[from]
                            sums[from] = BF16.rounded(BF16.float(large[from]) + BF16.float(small[to]))
                        }
                    }
                }
            }
            set.limit {
                var (values, levels, gradient) = (
                    [UInt16](repeating: 9, count: small.count), [UInt8](repeating: 9, count: small.count), large
                )
                ck_map_shortcut_forward(large, &values, CK_BF16, s, threads)
                ck_map_shortcut_forward(large.map { UInt8($0 & 255) }, &levels, CK_U8, s, threads)
                ck_map_shortcut_backward(small, &gradient, s, threads)
                #expect(values == expected && levels == expected.map { UInt8($0 & 255) })
                // Sums of exact integers, which a shortcut may read, are f32.
                var wide = [Float](repeating: 9, count: small.count)
                ck_map_shortcut_forward(large.map(BF16.float), &wide, CK_F32, s, threads)
                #expect(wide.map(\.bitPattern) == expected.map { BF16.float($0).bitPattern })
                #expect(firstDifference(Self.numbers(gradient), Self.numbers(sums)) == nil)
            }
        }
    }

    @Test(arguments: InstructionSet.available, [1, 3])
    func means(_ set: InstructionSet, threads: Int32) {
        for (images, height, width, channels) in [(3, 4, 4, 16), (1, 1, 1, 5), (2, 7, 3, 67)] {
            let pool = ck_pool(images: images, height: height, width: width, channels: channels, window: 0, stride: 0, padding: 0)
            let (pixels, count) = (height * width, images * height * width * channels), unit: Float = 0.37
            let values = Self.values(count + 7, stream: 3).suffix(count).map { $0 }, levels = values.map { UInt8($0 & 255) }
            func mean(_ x: (Int) -> Float) -> [Float] {
                (0..<images * channels).map { i in
                    (0..<pixels).reduce(0 as Float) { $0 + x((i / channels * pixels + $1) * channels + i % channels) }
                        * (unit / Float(pixels))
                }
            }
            set.limit {
                var found = [Float](repeating: -1, count: images * channels)
                ck_map_mean_forward(levels, CK_U8, unit, &found, pool, threads)
                #expect(found == mean { Float(levels[$0]) })
                ck_map_mean_forward(values, CK_BF16, unit, &found, pool, threads)
                #expect(found == mean { BF16.float(values[$0]) })
                var gradient = [UInt16](repeating: 9, count: count)
                ck_map_mean_backward(found, &gradient, pool, threads)
                #expect(
                    firstDifference(
                        gradient, (0..<count).map { BF16.rounded(found[$0 / channels / pixels * channels + $0 % channels] / Float(pixels)) }
                    ) == nil)
            }
        }
    }

    /// Sums beyond 2²⁴, which f32 would round on the way: 512·513 pixels of 255 but for one of 251 are 66,977,276, a multiple of the 4 that
    /// f32 has there.
    @Test(arguments: InstructionSet.available)
    func aMeanOfManyLevelsIsExact(_ set: InstructionSet) {
        let pool = ck_pool(images: 1, height: 512, width: 513, channels: 16, window: 0, stride: 0, padding: 0)
        var levels = [UInt8](repeating: 255, count: 512 * 513 * 16)
        levels[5] = 251
        set.limit {
            var found = [Float](repeating: -1, count: 16)
            ck_map_mean_forward(levels, CK_U8, Float(512 * 513), &found, pool, 1)
            #expect(found == (0..<16).map { $0 == 5 ? 66_977_276 : 66_977_280 })
        }
    }

    @Test(arguments: InstructionSet.available, [1, 3])
    func sumsAndConversions(_ set: InstructionSet, threads: Int32) {
        var random = Philox(seed: 62, stream: 6)
        for count in [1, 7, 16, 1003] {
            let (x, y) = (Self.values(count, stream: 4), Self.values(count, stream: 5).reversed().map { $0 })
            // Any bits at all: denormals, NaNs with a payload in the lower half alone, and values on the border between two bf16.
            let floats =
                (0..<count).map {
                    Float(bitPattern: $0 % 2 == 0 ? UInt32.random(in: 0 ... .max, using: &random) : UInt32(x[$0]) << 16 | 0x8000)
                }
                + [Float(bitPattern: 0x7f80_0001), .greatestFiniteMagnitude, -.leastNonzeroMagnitude]
            set.limit {
                var sum = y
                ck_bf16_add(x, &sum, count, threads)
                #expect(
                    firstDifference(Self.numbers(sum), Self.numbers(zip(x, y).map { BF16.rounded(BF16.float($0) + BF16.float($1)) })) == nil
                )
                var rounded = [UInt16](repeating: 9, count: floats.count)
                ck_f32_to_bf16(floats, &rounded, floats.count, threads)
                #expect(firstDifference(rounded, floats.map(BF16.rounded)) == nil)
                var widened = [Float](repeating: 9, count: count)
                ck_bf16_to_f32(x, &widened, count, threads)
                #expect(widened.map(\.bitPattern) == x.map { BF16.float($0).bitPattern })
            }
        }
    }
}
