// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Statistics
import Testing

/// Each path of the convolution units against plain C on random shapes and at the limits of their sums, bit for bit. (Plain C
/// itself is held against the plain loops in Swift by ClassifierTests.)
@Suite struct UnitPathTests {
    private static let paths = (1..<CK_UNIT_PATH_COUNT.rawValue).map { ck_unit_path($0) }.filter { ck_unit_has_path($0) != 0 }

    private enum Content: CaseIterable { case random, largest, smallest }

    /// A unit with random numbers, or with all levels and all integer weights at their largest, of one sign.
    private struct Problem {
        var unit: ck_unit
        let integerWeights: [Int8], levels: [UInt8], a, b: [Float]
        let shortcut: [UInt8], wideShortcut: [Float]
        let height: Int, width: Int
        let shortcutKind: Int

        init(
            side: (Int, Int), channels: (Int, Int), kernel: Int, stride: Int, weightBits: Int, levelBits: Int, _ content: Content,
            _ random: inout Philox
        ) {
            let (inputs, outputs) = channels, qmax = (1 << levelBits) - 1
            // The kernels take −128 too, which no packed model holds.
            let code = weightBits == 1 ? 1 : weightBits == 8 ? 128 : 1 << (weightBits - 1) - 1
            (height, width) = ((side.0 - 1) / stride + 1, (side.1 - 1) / stride + 1)
            integerWeights = (0..<inputs * outputs * kernel * kernel).map { _ in
                switch content {
                case .largest: Int8(clamping: code)
                case .smallest: Int8(-code)
                case .random:
                    weightBits == 1 ? (random.next() & 1 == 0 ? 1 : -1) : Int8(clamping: Int.random(in: -code...code, using: &random))
                }
            }
            levels = (0..<side.0 * side.1 * inputs).map { _ in
                content == .random ? UInt8.random(in: 0...UInt8(qmax), using: &random) : UInt8(qmax)
            }
            let spread = 1 / Float(qmax * code) * (content == .random ? 8 : 0.01)
            a = (0..<outputs).map { _ in spread * Float(random.normal()) }
            b = (0..<outputs).map { _ in 8 + 4 * Float(random.normal()) }
            shortcut = (0..<height * width * outputs).map { _ in UInt8.random(in: 0...15, using: &random) }
            wideShortcut = (0..<height * width * outputs).map { _ in Float(random.normal()) }
            shortcutKind = Int.random(in: 0..<3, using: &random)
            unit = ck_unit(
                height: side.0, width: side.1, input_channels: inputs, output_channels: outputs, kernel: kernel, stride: stride,
                input_qmax: Int32(qmax), largest_integer_weight: Int32(code), binary: weightBits == 1 ? 1 : 0, packed: nil, a: nil, b: nil,
                step: 0.37,
                qmax: Float(1 << Int.random(in: 1...8, using: &random) - 1), to_levels: Int.random(in: 0..<3, using: &random) > 0 ? 1 : 0)
        }

        /// y as bytes, computed in two parts, between guards.
        func run(_ path: ck_unit_path) -> [UInt8] {
            let count = height * width * unit.output_channels * (unit.to_levels != 0 ? 1 : 4), guards = 64
            var packed = [UInt8](repeating: 0x55, count: ck_unit_packed_bytes(unit, path)),
                y = [UInt8](repeating: 0x55, count: guards + count + guards)
            ck_unit_pack(integerWeights, unit, path, &packed)
            let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: ck_unit_scratch_bytes(unit, path), alignment: 64)
            defer { scratch.deallocate() }
            scratch.initializeMemory(as: UInt8.self, repeating: 0x55)
            packed.withUnsafeBytes { packed in
                a.withUnsafeBufferPointer { a in
                    b.withUnsafeBufferPointer { b in
                        y.withUnsafeMutableBytes { y in
                            guard let y = y.baseAddress, let room = scratch.baseAddress else { return }
                            var unit = unit
                            (unit.packed, unit.a, unit.b) = (packed.baseAddress, a.baseAddress, b.baseAddress)
                            for part in [0..<height / 3, height / 3..<height] {
                                switch shortcutKind {
                                case 0: ck_unit_run(&unit, path, levels, nil, 0, y + guards, part.lowerBound, part.upperBound, room)
                                case 1: ck_unit_run(&unit, path, levels, shortcut, 0, y + guards, part.lowerBound, part.upperBound, room)
                                default:
                                    ck_unit_run(&unit, path, levels, wideShortcut, 1, y + guards, part.lowerBound, part.upperBound, room)
                                }
                            }
                        }
                    }
                }
            }
            #expect((y.prefix(guards) + y.suffix(guards)).allSatisfy { $0 == 0x55 })
            return Array(y[guards..<guards + count])
        }

        func check(_ path: ck_unit_path) -> Bool {
            withUnsafePointer(to: unit) { ck_unit_fits($0, path) } == 0 || run(path) == run(CK_UNIT_PORTABLE)
        }
    }

    /// All weight and level bits, kernels and strides, odd sides down to one pixel, odd numbers of blocks; 600 draws of seed 70.
    @Test(arguments: paths.map(\.rawValue))
    func randomShapes(_ path: UInt32) {
        var random = Philox(seed: 70, stream: 0)
        for draw in 0..<600 {
            let problem = Problem(
                side: (Int.random(in: 1...11, using: &random), Int.random(in: 1...19, using: &random)),
                channels: (16 * Int.random(in: 1...5, using: &random), 16 * Int.random(in: 1...3, using: &random)),
                kernel: draw % 2 == 0 ? 3 : 1,
                stride: draw / 2 % 2 + 1, weightBits: [1, 1, 2, 3, 4, 8][draw / 4 % 6], levelBits: draw / 24 % 8 + 1, .random, &random)
            #expect(problem.check(ck_unit_path(path)), "draw \(draw)")
        }
    }

    /// Sums at their largest, on both sides of each path's limits: 2·127·128 = 32 512 fits 16 bits once, 2·255·128 does not; tables
    /// hold 15·9·970/2 < 2¹⁶ (960 and 976 channels); many flushes of 16-bit sums.
    @Test(arguments: paths.map(\.rawValue))
    func largestSums(_ path: UInt32) {
        var random = Philox(seed: 71, stream: 0)
        for (weightBits, levelBits, inputs) in [
            (1, 4, 960), (1, 4, 976), (1, 8, 512), (2, 4, 1024), (4, 8, 512), (8, 7, 512), (8, 8, 512), (8, 4, 512), (3, 8, 1024)
        ] {
            for content in [Content.largest, .smallest] {
                let problem = Problem(
                    side: (3, 4), channels: (inputs, 32), kernel: 3, stride: 1, weightBits: weightBits, levelBits: levelBits, content,
                    &random)
                #expect(problem.check(ck_unit_path(path)), "\(weightBits)W\(levelBits)A, \(inputs) channels, \(content)")
            }
        }
        // Which limits the paths name: a change of one shows here.
        func fits(_ path: ck_unit_path, weightBits: Int, levelBits: Int, inputs: Int) -> Bool {
            let problem = Problem(
                side: (1, 1), channels: (inputs, 16), kernel: 3, stride: 1, weightBits: weightBits, levelBits: levelBits, .largest, &random)
            return withUnsafePointer(to: problem.unit) { ck_unit_fits($0, path) } != 0
        }
        #if arch(x86_64)
        #expect(
            fits(CK_UNIT_AVX2_TABLES, weightBits: 1, levelBits: 4, inputs: 960)
                && !fits(CK_UNIT_AVX2_TABLES, weightBits: 1, levelBits: 4, inputs: 976))
        #expect(
            !fits(CK_UNIT_AVX2_TABLES, weightBits: 1, levelBits: 5, inputs: 16)
                && !fits(CK_UNIT_AVX2_TABLES, weightBits: 2, levelBits: 4, inputs: 16))
        #expect(
            fits(CK_UNIT_AVX2_TERNARY_TABLES, weightBits: 2, levelBits: 4, inputs: 480)
                && !fits(CK_UNIT_AVX2_TERNARY_TABLES, weightBits: 2, levelBits: 4, inputs: 496))
        #expect(
            fits(CK_UNIT_AVX2_BYTES, weightBits: 8, levelBits: 7, inputs: 16)
                && !fits(CK_UNIT_AVX2_BYTES, weightBits: 8, levelBits: 8, inputs: 16))
        #endif
    }
}
