// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Parallelism
import Statistics
import Testing

/// The fused kernels against plain loops, on every instruction set: what is rounded once, bit for bit; sums within their rounding.
@Suite struct NormActivationTests {
    /// Random maps in the kernel's types, and the same numbers for the reference. Seed 61.
    private struct Problem {
        let rows: Int
        let accType: ck_number, shortcutType: ck_number?
        let accBytes: [UInt8], shortcutBytes: [UInt8]?
        let reference: NormActivationReference
        let gradient, other: [UInt16]
        let mean: [Float]

        /// t lies around 0 … qmax, some of it on whole numbers; where numbers may be, a NaN, infinities and zeros of both signs.
        init(rows: Int, channels: Int, acc: ck_number, shortcut: ck_number?, _ activation: NormActivationReference.Activation, bits: Int) {
            var random = Philox(seed: 61, stream: UInt64(rows) << 8 + UInt64(acc.rawValue) << 4 + UInt64(shortcut?.rawValue ?? 9))
            let count = rows * channels
            func bytes<T>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }
            func map(_ type: ck_number, spread: Float) -> (values: [Float], bytes: [UInt8]) {
                var values = (0..<count).map { _ in spread * Float(random.normal()) }
                switch type {
                case CK_U8:
                    values = values.map { min(abs($0).rounded(), 255) }
                    return (values, values.map { UInt8($0) })
                case CK_S16:
                    values = values.map { $0.rounded() }
                    return (values, bytes(values.map { Int16($0) }))
                case CK_S32:
                    values = values.map { $0.rounded() }
                    return (values, bytes(values.map { Int32($0) }))
                case CK_BF16:
                    let rounded = values.map(BF16.rounded)
                    return (rounded.map(BF16.float), bytes(rounded))
                default: return (values, bytes(values))
                }
            }
            var accMap = map(acc, spread: 100)
            if acc == CK_F32, activation != .quantizedReLU {
                for (i, special) in [Float.nan, .infinity, -.infinity, 0, -0].enumerated() where 7 * i + 1 < count {
                    accMap.values[7 * i + 1] = special
                }
                accMap.bytes = bytes(accMap.values)
            }
            let shortcutMap = shortcut.map { map($0, spread: 4) }
            let qmax = Float((1 << bits) - 1)
            // Powers of two every other channel, so that whole t abound.
            let a = (0..<channels).map { $0 % 2 == 0 ? Float(0.125) : (qmax / 150) * Float.random(in: -1...1, using: &random) }
            let b = (0..<channels).map { $0 % 2 == 0 ? 2 : Float(random.normal()) * qmax / 4 }
            (self.rows, accType, shortcutType, accBytes, shortcutBytes) = (rows, acc, shortcut, accMap.bytes, shortcutMap?.bytes)
            reference = NormActivationReference(
                channels: channels, acc: accMap.values, shortcut: shortcutMap?.values, a: a, b: b, step: shortcut == CK_U8 ? 0.5 : 0.3,
                qmax: qmax,
                activation: activation)
            gradient = (0..<count).map { _ in BF16.rounded(Float(random.normal())) }
            other = (0..<count).map { _ in BF16.rounded(Float(random.normal())) }
            mean = (0..<channels).map { _ in Float(random.normal()) * 10 }
        }

        func call<Result>(_ body: (ck_norm_activation) -> Result) -> Result {
            accBytes.withUnsafeBytes { acc in
                (shortcutBytes ?? []).withUnsafeBytes { shortcut in
                    reference.a.withUnsafeBufferPointer { a in
                        reference.b.withUnsafeBufferPointer { b in
                            body(
                                ck_norm_activation(
                                    acc: acc.baseAddress, acc_type: accType, rows: rows, channels: reference.channels, a: a.baseAddress,
                                    b: b.baseAddress,
                                    shortcut: shortcutBytes == nil ? nil : shortcut.baseAddress, shortcut_type: shortcutType ?? CK_U8,
                                    step: reference.step,
                                    qmax: reference.qmax,
                                    activation: [CK_QUANTIZED_RELU, CK_RELU, CK_IDENTITY][
                                        NormActivationReference.Activation.allCases.firstIndex(of: reference.activation) ?? 0]))
                        }
                    }
                }
            }
        }
    }

    /// Rows of one block of 64, of a block and one, and of several for each of three threads.
    private static func problems(_ activations: [NormActivationReference.Activation]) -> [Problem] {
        [(1, 16), (64, 48), (65, 16), (401, 32)].flatMap { rows, channels in
            [CK_S16, CK_S32, CK_F32, CK_BF16].flatMap { acc in
                [nil, CK_U8, CK_BF16, CK_F32].flatMap { shortcut in
                    activations.map {
                        Problem(rows: rows, channels: channels, acc: acc, shortcut: shortcut, $0, bits: rows % 2 == 0 ? 2 : 4)
                    }
                }
            }
        }
    }

    /// Of two floats, or both NaN.
    private static func same(_ x: Float, _ y: Float) -> Bool { x.bitPattern == y.bitPattern || x.isNaN && y.isNaN }

    @Test(arguments: InstructionSet.available)
    func forwardIsTheDefinitions(_ set: InstructionSet) {
        set.limit {
            for problem in Self.problems(NormActivationReference.Activation.allCases) {
                let (count, reference) = (problem.reference.acc.count, problem.reference)
                let expected = (0..<count).map(reference.result)
                for threads: Int32 in [1, 3] {
                    problem.call { map in
                        var values = [UInt16](repeating: 0x5555, count: count)
                        ck_norm_activation_forward(map, &values, CK_BF16, threads)
                        #expect(zip(values, expected).allSatisfy { Self.same(BF16.float($0), BF16.float(BF16.rounded($1))) })
                        if reference.activation == .quantizedReLU {
                            var levels = [UInt8](repeating: 0x55, count: count)
                            ck_norm_activation_forward(map, &levels, CK_U8, threads)
                            #expect(firstDifference(levels.map { Float($0) }, expected) == nil)
                            // A check of the check: levels at both ends and between them.
                            #expect(count < 1000 || Set(levels).count == Int(reference.qmax) + 1)
                        }
                        if reference.activation == .identity {
                            var floats = [Float](repeating: 0, count: count)
                            ck_norm_activation_forward(map, &floats, CK_F32, threads)
                            #expect(zip(floats, expected).allSatisfy(Self.same))
                        }
                    }
                }
                // Two roundings wherever it runs, which may move the largest t by one of each multiply-add's last places.
                if reference.activation == .quantizedReLU {
                    let largest = max((0..<count).map(reference.t).max() ?? 0, 0), found = problem.call(ck_norm_activation_maximum)
                    #expect(abs(found - largest) <= 0x1p-22 * largest)
                }
            }
        }
    }

    /// Blocks of 64 rows are summed in f32, with at most 66 roundings on the way of a term, blocks in double: 66·2⁻²⁴ of the sum of
    /// magnitudes. The kernel subtracts the channel's first value before it squares.
    @Test(arguments: InstructionSet.available)
    func statisticsAreTheDefinitions(_ set: InstructionSet) {
        set.limit {
            for problem in Self.problems([.quantizedReLU]) {
                let (channels, reference) = (problem.reference.channels, problem.reference), expected = reference.statistics()
                for threads: Int32 in [1, 3] {
                    var (mean, variance) = ([Double](repeating: -1, count: channels), [Double](repeating: -1, count: channels))
                    var scratch = [Double](repeating: .nan, count: 2 * channels * Int(threads))
                    problem.call {
                        ck_acc_statistics($0.acc, problem.accType, problem.rows, channels, &mean, &variance, &scratch, threads, threads)
                    }
                    for c in 0..<channels {
                        let shifted = stride(from: c, to: reference.acc.count, by: channels).map {
                            abs(Double(reference.acc[$0]) - Double(reference.acc[c]))
                        }
                        let (size, squares) = (
                            shifted.reduce(0, +) / Double(problem.rows), shifted.reduce(0) { $0 + $1 * $1 } / Double(problem.rows)
                        )
                        #expect(abs(mean[c] - expected.mean[c]) <= 66 * 0x1p-24 * size)
                        #expect(abs(variance[c] - expected.variance[c]) <= 66 * 0x1p-24 * (squares + 2 * size * size))
                    }
                }
            }
        }
    }

    /// dz bit for bit: a sum of two bf16 rounded to f32, then to bf16. Sums as above; every rule of the coarse derivatives.
    @Test(arguments: InstructionSet.available)
    func backwardSumsAreTheDefinitions(_ set: InstructionSet) {
        let rules = [(1, 1, 0), (1, 0, 0), (0, 0, 0), (1, 1, 1)].map {
            ck_coarse_derivatives(relu: $0.0, clip: $0.1, exact: $0.2, inside: 2)
        }
        set.limit {
            for (index, problem) in Self.problems(NormActivationReference.Activation.allCases).enumerated() {
                let (reference, channels, rule, hasOther) = (
                    problem.reference, problem.reference.channels, rules[index / 3 % rules.count], index % 2 == 0
                )
                let count = reference.acc.count
                let gradients = (0..<count).map { BF16.float(problem.gradient[$0]) + (hasOther ? BF16.float(problem.other[$0]) : 0) }
                let derivatives = (0..<count).map { reference.derivatives($0, rule) }
                let dz = (0..<count).map { derivatives[$0].z == 0 ? 0 : BF16.rounded(gradients[$0]) }
                for threads: Int32 in [1, 3] {
                    var found = problem.gradient
                    var (sum, dot) = ([Double](repeating: -1, count: channels), [Double](repeating: -1, count: channels))
                    var scratch = [Double](repeating: .nan, count: (2 * channels + 1) * Int(threads))
                    let stepSize = problem.call { map in
                        hasOther
                            ? ck_norm_activation_backward_sums(
                                map, &found, problem.other, problem.mean, rule, &sum, &dot, &scratch, threads, threads)
                            : ck_norm_activation_backward_sums(map, &found, nil, problem.mean, rule, &sum, &dot, &scratch, threads, threads)
                    }
                    #expect(firstDifference(found, dz) == nil)
                    guard reference.acc.allSatisfy(\.isFinite) else { continue }
                    for c in 0..<channels {
                        let places = Array(stride(from: c, to: count, by: channels)), values = places.map { Double(BF16.float(dz[$0])) }
                        let products = zip(values, places).map { $0 * (Double(reference.acc[$1]) - Double(problem.mean[c])) }
                        #expect(abs(sum[c] - values.reduce(0, +)) <= 66 * 0x1p-24 * values.reduce(0) { $0 + abs($1) })
                        #expect(abs(dot[c] - products.reduce(0, +)) <= 66 * 0x1p-24 * products.reduce(0) { $0 + abs($1) })
                    }
                    let terms = (0..<count).map { Double(gradients[$0]) * Double(derivatives[$0].stepSize) }
                    #expect(abs(stepSize - terms.reduce(0, +)) <= 66 * 0x1p-24 * terms.reduce(0) { $0 + abs($1) })
                }
            }
        }
    }

    /// Four roundings of f32, relative to the terms' size, and one to bf16, half a unit in its last place: 2⁻⁸ of the value.
    @Test(arguments: InstructionSet.available)
    func backwardInputIsTheDefinitions(_ set: InstructionSet) {
        set.limit {
            for problem in Self.problems([.relu]) where problem.shortcutType == nil {
                let (reference, channels) = (problem.reference, problem.reference.channels)
                let (p, q, r) = (reference.a, reference.b.map { $0 / 100 }, problem.mean)
                for threads: Int32 in [1, 3] {
                    var found = [UInt16](repeating: 0x5555, count: reference.acc.count)
                    problem.call { ck_norm_activation_backward_input($0, problem.gradient, p, q, r, &found, threads) }
                    for i in found.indices where reference.acc[i].isFinite {
                        let c = i % channels
                        let terms = [
                            Double(p[c]) * Double(BF16.float(problem.gradient[i])), Double(q[c]) * Double(reference.acc[i]), Double(r[c])
                        ]
                        let (exact, size) = (terms.reduce(0, +), terms.reduce(0) { $0 + abs($1) })
                        #expect(abs(Double(BF16.float(found[i])) - exact) <= 0x1p-8 * abs(exact) + 5 * 0x1p-24 * size)
                    }
                }
            }
        }
    }

    /// p·dz + q·acc + r by one fused multiply-add and one sum; its largest magnitude, and its integers in units of that over 32767.
    @Test(arguments: InstructionSet.available)
    func integerGradientsAreTheDefinitions(_ set: InstructionSet) {
        set.limit {
            for problem in Self.problems([.relu]) where problem.shortcutType == nil {
                let (reference, channels) = (problem.reference, problem.reference.channels)
                let (p, q, r) = (reference.a, reference.b.map { $0 / 100 }, problem.mean)
                let exact = reference.acc.indices.map { i in
                    (q[i % channels] * reference.acc[i]).addingProduct(p[i % channels], BF16.float(problem.gradient[i])) + r[i % channels]
                }
                for threads: Int32 in [1, 3] {
                    var scratch = [Double](repeating: .nan, count: Int(threads))
                    let largest = problem.call { ck_norm_activation_largest_gradient($0, problem.gradient, p, q, r, &scratch, threads) }
                    guard exact.allSatisfy(\.isFinite) else {
                        #expect(!largest.isFinite, "what is not finite shows")
                        continue
                    }
                    #expect(largest == exact.map(abs).max())
                    var found = [Int16](repeating: 0x5555, count: exact.count)
                    let factor = 32767 / largest
                    problem.call { ck_norm_activation_backward_input_s16($0, problem.gradient, p, q, r, factor, &found, threads) }
                    #expect(firstDifference(found, exact.map { Int16(($0 * factor).rounded(.toNearestOrEven)) }) == nil)
                }
            }
        }
    }

    /// Sums over sixteen parts have the bits of plain C on one thread.
    @Test(arguments: InstructionSet.available)
    func sumsOfPartsAreTheSameEverywhere(_ set: InstructionSet) throws {
        let portable = try #require(InstructionSet.available.first), rule = ck_coarse_derivatives(relu: 1, clip: 1, exact: 0, inside: 2)
        for problem in Self.problems([.quantizedReLU]) {
            let channels = problem.reference.channels
            func bits(_ set: InstructionSet, threads: Int32) -> [UInt64] {
                var scratch = [Double](repeating: .nan, count: (2 * channels + 1) * 16)
                let empty = [Double](repeating: -1, count: channels)
                var (mean, variance, sum, dot) = (empty, empty, empty, empty)
                var gradient = problem.gradient
                let stepSize = set.limit {
                    problem.call { map in
                        ck_acc_statistics(map.acc, problem.accType, problem.rows, channels, &mean, &variance, &scratch, 16, threads)
                        return ck_norm_activation_backward_sums(map, &gradient, nil, problem.mean, rule, &sum, &dot, &scratch, 16, threads)
                    }
                }
                return (mean + variance + sum + dot + [stepSize]).map(\.bitPattern)
            }
            let expected = bits(portable, threads: 1)
            for threads: Int32 in [1, 2, 3] { #expect(bits(set, threads: threads) == expected) }
        }
    }
}
