// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Parallelism
import Statistics
import Testing

/// The pooling of levels and bf16 against the f32 kernels, which PyTorch's vectors check; few levels, so ties abound.
@Suite struct LevelPoolingTests {
    private static let shapes = [
        ck_pool(images: 3, height: 8, width: 6, channels: 16, window: 2, stride: 2, padding: 0),
        ck_pool(images: 2, height: 7, width: 7, channels: 64, window: 2, stride: 2, padding: 0),
        ck_pool(images: 3, height: 9, width: 12, channels: 48, window: 3, stride: 2, padding: 1),
        ck_pool(images: 1, height: 5, width: 4, channels: 19, window: 3, stride: 1, padding: 1),
        ck_pool(images: 2, height: 9, width: 9, channels: 16, window: 2, stride: 3, padding: 0),
        ck_pool(images: 2, height: 6, width: 5, channels: 5, window: 3, stride: 2, padding: 1),
        ck_pool(images: 2, height: 8, width: 8, channels: 20, window: 2, stride: 2, padding: 0)
    ]

    @Test(arguments: InstructionSet.available, shapes.indices)
    func agreesWithF32(_ set: InstructionSet, _ index: Int) {
        set.limit {
            let p = Self.shapes[index]
            let side = { (side: Int) in (side + 2 * p.padding - p.window) / p.stride + 1 }
            let (inputs, outputs) = (p.images * p.height * p.width * p.channels, p.images * side(p.height) * side(p.width) * p.channels)
            var random = Philox(seed: 8, stream: 0)
            let levels = (0..<inputs).map { _ in UInt8.random(in: 0...5, using: &random) }
            // Integers below 32: sums of at most nine are exact in bf16 (below 256), so the order of rounding leaves no trace.
            let dy = (0..<outputs).map { _ in Float(Int.random(in: -28...28, using: &random)) }
            var (y, argmax, dx) = (
                [Float](repeating: -1, count: outputs), [UInt8](repeating: 99, count: outputs), [Float](repeating: -1, count: inputs)
            )
            ck_max_pool_forward(levels.map(Float.init), &y, &argmax, p, 1)
            ck_max_pool_backward(dy, argmax, &dx, p, 1)

            for threads: Int32 in [1, 2] {
                var (y8, winner8) = ([UInt8](repeating: 99, count: outputs), [UInt8](repeating: 99, count: outputs))
                ck_level_max_forward(levels, &y8, &winner8, p, threads)
                #expect(firstDifference(y8.map(Float.init), y) == nil && firstDifference(winner8, argmax) == nil)

                var (y16, winner16) = ([UInt16](repeating: 99, count: outputs), [UInt8](repeating: 99, count: outputs))
                ck_bf16_max_forward(levels.map { BF16.rounded(Float($0)) }, &y16, &winner16, p, threads)
                #expect(firstDifference(y16.map(BF16.float), y) == nil && firstDifference(winner16, argmax) == nil)

                var dx16 = [UInt16](repeating: 99, count: inputs)
                ck_bf16_max_backward(dy.map(BF16.rounded), argmax, &dx16, p, threads)
                #expect(firstDifference(dx16.map(BF16.float), dx) == nil)
            }
        }
    }

    /// As in PyTorch, so that a loss shows divergence.
    @Test(arguments: InstructionSet.available, [1, 5, 8, 19])
    func noNumberIsTheMaximum(_ set: InstructionSet, channels: Int) {
        let pool = ck_pool(images: 1, height: 2, width: 2, channels: channels, window: 2, stride: 2, padding: 0)
        for place in 0..<4 {
            let values = (0..<4).flatMap { [Float](repeating: $0 == place ? .nan : [1, 3, 2, 0][$0], count: channels) }
            set.limit {
                var (y, argmax) = ([Float](repeating: 0, count: channels), [UInt8](repeating: 9, count: channels))
                ck_max_pool_forward(values, &y, &argmax, pool, 1)
                #expect(y.allSatisfy(\.isNaN) && argmax.allSatisfy { $0 == UInt8(place) })
                var y16 = [UInt16](repeating: 0, count: channels)
                ck_bf16_max_forward(values.map(BF16.rounded), &y16, &argmax, pool, 1)
                #expect(y16.allSatisfy { BF16.float($0).isNaN } && argmax.allSatisfy { $0 == UInt8(place) })
            }
        }
    }
}
