// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// `MaxPoolLayer` in low precision, of maps that an activation made: they are not negative. The quantized ReLU is monotone, so
/// the maximum of values is the maximum of levels.
final class MaximumUnit: LowPrecisionUnit {
    let output: FeatureMap
    private let shape: ck_pool
    private let argmax: Buffer<UInt8>
    private let inputGradient: Buffer<UInt16>
    private let threads: Int32

    init(_ unit: FusedUnit, _ input: FeatureMap, in context: ExecutionContext) {
        let from = input.shape
        shape = ck_pool(
            images: 0, height: from.height, width: from.width, channels: from.channels, window: unit.kernel, stride: unit.stride,
            padding: unit.padding)
        output = FeatureMap(unit.output.padded, input.type, stepSize: input.stepSize, batch: context.batch)
        argmax = Buffer(output.shape.count * context.batch, zero: 0)
        inputGradient = Buffer(from.count * context.batch, zero: 0)
        threads = context.threads
    }

    func forward(_ input: FeatureMap, shortcut: FeatureMap?, batch: Int, mode: Mode) throws -> FeatureMap {
        let shape = shape.with(images: batch)
        if input.type == CK_U8 {
            ck_level_max_forward(input.levels, output.pointer.assumingMemoryBound(to: UInt8.self), argmax.pointer, shape, threads)
        } else {
            ck_bf16_max_forward(input.bf16, output.pointer.assumingMemoryBound(to: UInt16.self), argmax.pointer, shape, threads)
        }
        return output
    }

    func backward(_ gradient: GradientMap, batch: Int) throws -> Buffer<UInt16> {
        if let other = gradient.shortcut {
            ck_bf16_add(other.pointer, gradient.values.pointer, batch * output.shape.count, threads)
        }
        ck_bf16_max_backward(
            gradient.values.pointer, argmax.pointer, inputGradient.pointer, shape.with(images: batch), threads)
        return inputGradient
    }
}
