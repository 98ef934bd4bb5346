// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Buffers of `count` elements in any layout, one pass each. Results do not depend on `threads`.
extension QuantizedReLU {
    /// `output[i] = forward(input[i])`, bit for bit; the two may be the same buffer.
    public func forward(
        input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, count: Int, stepSize: Float, threads: Int
    ) {
        guard isUsable(stepSize: stepSize) else { return output.update(repeating: .nan, count: count) }
        ck_quantized_relu(input, output, count, stepSize, Float(qmax), Int32(threads))
    }

    /// `levels[i] = level(input[i])`, the integer input of the next layer.
    public func levels(
        input: UnsafePointer<Float>, levels: UnsafeMutablePointer<UInt8>, count: Int, stepSize: Float, threads: Int
    ) {
        guard isUsable(stepSize: stepSize) else { return levels.update(repeating: 0, count: count) }
        ck_quantized_relu_levels(input, levels, count, stepSize, Float(qmax), Int32(threads))
    }

    /// The coarse backward pass: `inputGradient[i] = outputGradient[i]` where the coarse input derivative is 1, else 0.
    ///
    /// The sum is taken in `Double`, where every summand is exact (a level of 8 bits times a float of 24) and which costs
    /// nothing in a pass bound by memory; over `n` summands it errs by at most `n·2⁻⁵³·Σ|summand|`. A summand whose
    /// coarse derivative is 0 is 0 even if its gradient is not finite.
    /// - Parameters:
    ///   - input: what `forward` was given.
    ///   - outputGradient: the loss's, in the output.
    ///   - inputGradient: may be `outputGradient`.
    ///   - count: of each array.
    ///   - stepSize: α, as for `forward`.
    ///   - threads: 1 or more that compute.
    /// - Returns: the loss's coarse derivative in the step size, `Σ stepSizeDerivative(input[i]) · outputGradient[i]`.
    public func backward(
        input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>,
        count: Int, stepSize: Float, threads: Int
    ) -> Double {
        guard isUsable(stepSize: stepSize) else {
            inputGradient.update(repeating: .nan, count: count)
            return .nan
        }
        return ck_quantized_relu_backward(
            input, outputGradient, inputGradient, count, stepSize, Float(qmax), kernelDerivatives, Int32(threads))
    }

    /// The coarse derivatives as the C kernels take them.
    package var kernelDerivatives: ck_coarse_derivatives {
        ck_coarse_derivatives(
            relu: inputDerivative == .identity ? 0 : 1, clip: inputDerivative == .clippedReLU ? 1 : 0,
            exact: insideDerivative == nil ? 1 : 0, inside: insideDerivative ?? 0)
    }
}
