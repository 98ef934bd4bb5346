// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// `MaxPoolLayer` in low precision, of maps that an activation made: they are not negative. The quantized ReLU is monotone, so
/// the maximum of values is the maximum of levels.
final class MaximumUnit: LowPrecisionUnit {
    let output: FeatureMap
    private let shape: ck_pool
    private let winner: Buffer<UInt8>
    private let inputGradient: Buffer<UInt16>
    private let threads: Int32

    init(_ unit: FusedUnit, _ input: FeatureMap, in workshop: Workshop) {
        let from = input.shape
        shape = ck_pool(
            images: 0, height: from.height, width: from.width, channels: from.channels, window: unit.kernel, stride: unit.stride,
            padding: unit.padding)
        output = FeatureMap(unit.output.padded, input.type, resolution: input.resolution, batch: workshop.batch)
        winner = Buffer(output.shape.count * workshop.batch, zero: 0)
        inputGradient = Buffer(from.count * workshop.batch, zero: 0)
        threads = workshop.threads
    }

    func forward(_ input: FeatureMap, shortcut: FeatureMap?, batch: Int, mode: Mode) throws -> FeatureMap {
        let shape = shape.with(images: batch)
        if input.type == CK_U8 {
            ck_level_max_forward(input.levels, output.pointer.assumingMemoryBound(to: UInt8.self), winner.pointer, shape, threads)
        } else {
            ck_bf16_max_forward(input.bf16, output.pointer.assumingMemoryBound(to: UInt16.self), winner.pointer, shape, threads)
        }
        return output
    }

    func backward(_ gradient: GradientMap, batch: Int) throws -> Buffer<UInt16> {
        if let other = gradient.shortcut {
            ck_bf16_add(other.pointer, gradient.values.pointer, batch * output.shape.count, threads)
        }
        ck_bf16_max_backward(
            gradient.values.pointer, winner.pointer, inputGradient.pointer, shape.with(images: batch), threads)
        return inputGradient
    }
}
