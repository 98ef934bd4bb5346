// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Quantization

/// Any quantizer in low precision: the kernels compute what it is applied to in f32, and it makes the levels; its gradients are
/// f32, and rounded to bf16 for the kernels.
final class OwnActivation {
    private let quantizer: any ActivationQuantizer
    /// What the quantizer is applied to, `[N, H, W, C]` with padded channels.
    let z: Buffer<Float>
    private let gradient: Buffer<Float>
    private let levels: Buffer<UInt8>
    private let threads: Int

    init(_ quantizer: any ActivationQuantizer, count: Int, threads: Int) {
        (self.quantizer, self.threads) = (quantizer, threads)
        (z, gradient, levels) = (Buffer(count, zero: 0), Buffer(count, zero: 0), Buffer(count, zero: 0))
    }

    /// Fills a map of levels from z.
    func forward(_ stepSize: Parameter, into map: FeatureMap, batch: Int, isCalibrating: Bool) {
        let count = batch * map.shape.count
        if isCalibrating { stepSize.calibrate(quantizer, UnsafeBufferPointer(start: UnsafePointer(z.pointer), count: count)) }
        let isBytes = map.type == CK_U8
        let result = isBytes ? map.pointer.assumingMemoryBound(to: UInt8.self) : levels.pointer
        quantizer.levels(input: z.pointer, levels: result, count: count, stepSize: stepSize.value.pointer[0], threads: threads)
        guard !isBytes else { return }
        let wide = map.pointer.assumingMemoryBound(to: UInt16.self)
        for i in 0..<count { wide[i] = BF16.rounded(Float(levels.pointer[i])) }
    }

    /// Turns the gradient in the map's values into the one in z, in place, and fills the step size's.
    func backward(_ map: GradientMap, _ stepSize: Parameter, count: Int) {
        if let other = map.shortcut { ck_bf16_add(other.pointer, map.values.pointer, count, Int32(threads)) }
        ck_bf16_to_f32(map.values.pointer, gradient.pointer, count, Int32(threads))
        let sum = quantizer.backward(
            input: z.pointer, outputGradient: gradient.pointer, inputGradient: gradient.pointer, count: count,
            stepSize: stepSize.value.pointer[0], threads: threads)
        stepSize.takeGradient(sum, of: quantizer, count: count)
        ck_f32_to_bf16(gradient.pointer, map.values.pointer, count, Int32(threads))
    }
}
