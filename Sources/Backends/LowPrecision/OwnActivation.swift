// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph
import Quantization

/// Any quantizer in low precision, as far as it is its own: the kernels compute what it is applied to in f32, and its levels where it has
/// a `roundingOffset`; its gradients are f32, and rounded to bf16 for the kernels.
final class OwnActivation {
    private let quantizer: any ActivationQuantizer
    /// Of the layer; the map's channels are padded.
    private let shape: FeatureShape
    /// What the quantizer is applied to, `[N, H, W, C]` with padded channels.
    let z: Buffer<Float>
    private let gradient: Buffer<Float>
    private let levels: Buffer<UInt8>
    private let threads: Int
    private let shards: Shards

    init(_ quantizer: any ActivationQuantizer, _ shape: FeatureShape, in context: ExecutionContext) {
        (self.quantizer, self.shape, threads, shards) = (quantizer, shape, context.engine.threads, context.shards)
        let count = shape.padded.count * context.batch
        (z, gradient) = (Buffer(count, zero: 0), Buffer(count, zero: 0))
        levels = Buffer(quantizer.roundingOffset == nil ? count : 0, zero: 0)
    }

    /// The first step size, from z without the channels that only pad it.
    func calibrate(_ stepSize: Parameter, batch: Int) throws {
        let padded = shape.padded.channels, values = UnsafeBufferPointer(start: UnsafePointer(z.pointer), count: batch * shape.padded.count)
        let real = stride(from: 0, to: values.count, by: padded).flatMap { values[$0..<$0 + shape.channels] }
        try (real + [0]).withUnsafeBufferPointer { real in  // never empty
            guard let first = real.baseAddress else { return }
            try stepSize.calibrate(quantizer, first, features: shape.count, shards)
        }
    }

    /// Fills a map of levels from z.
    func forward(_ stepSize: Parameter, into map: FeatureMap, batch: Int) {
        let count = batch * map.shape.count
        let isBytes = map.type == CK_U8
        let result = isBytes ? map.pointer.assumingMemoryBound(to: UInt8.self) : levels.pointer
        quantizer.levels(input: z.pointer, levels: result, count: count, stepSize: stepSize.value.pointer[0], threads: threads)
        guard !isBytes else { return }
        let wide = map.pointer.assumingMemoryBound(to: UInt16.self)
        for i in 0..<count { wide[i] = BF16.rounded(Float(levels.pointer[i])) }
    }

    /// Turns the gradient in the map's values into the one in z, in place, and fills the step size's.
    func backward(_ map: GradientMap, _ stepSize: Parameter, batch: Int) throws {
        let count = batch * shape.padded.count
        if let other = map.shortcut { ck_bf16_add(other.pointer, map.values.pointer, count, Int32(threads)) }
        ck_bf16_to_f32(map.values.pointer, gradient.pointer, count, Int32(threads))
        var sum = 0.0
        try shards.sum(1, into: &sum) { images, sum in
            let z = z.pointer + images.lowerBound * shape.padded.count, dz = gradient.pointer + images.lowerBound * shape.padded.count
            sum[0] = quantizer.backward(
                input: z, outputGradient: dz, inputGradient: dz, count: images.count * shape.padded.count,
                stepSize: stepSize.value.pointer[0],
                threads: threads)
        }
        stepSize.takeGradient(sum, of: quantizer, features: shape.count)
        ck_f32_to_bf16(gradient.pointer, map.values.pointer, count, Int32(threads))
    }
}
