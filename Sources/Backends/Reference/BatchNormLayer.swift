// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// Batch normalisation over `[N, H, W, C]`, per channel, with `R = N·H·W` values each:
///
///     y = γ x̂ + β,   x̂ = (x − μ)/s,   s = √(var + ε),   ε = 1e-5
///     dβ = Σ dy,   dγ = Σ dy·x̂,   dx = (γ/s) (dy − dβ/R − x̂ dγ/R)
///
/// Training uses the batch's mean and biased variance and moves the running statistics by 0.1 towards the mean and the
/// unbiased variance, as PyTorch does; evaluation uses the running ones.
final class BatchNormLayer: Layer {
    private let output: FeatureShape
    private let scale, shift: Parameter
    private let runningMean, runningVariance: NamedTensor
    private let result, inputGradient: Tensor
    private let mean, variance, inverse, a, b, c: Tensor
    private let scratch: UnsafeMutableBufferPointer<Double>
    /// Moments, or sums, of all shards, `[2, C]`.
    private let sums: UnsafeMutableBufferPointer<Double>
    private let shards: Shards
    private let threads: Int32
    private var input: Tensor?

    init(
        _ shape: FeatureShape, scale: Parameter, shift: Parameter, runningMean: NamedTensor, runningVariance: NamedTensor,
        in context: ExecutionContext
    ) {
        let channels = [shape.channels]
        (output, self.scale, self.shift) = (shape, scale, shift)
        (self.runningMean, self.runningVariance) = (runningMean, runningVariance)
        (result, inputGradient) = (shape.tensor(batch: context.batch), shape.tensor(batch: context.batch))
        (mean, variance, inverse) = (Tensor(channels), Tensor(channels), Tensor(channels))
        (a, b, c) = (Tensor(channels), Tensor(channels), Tensor(channels))
        scratch = .allocate(capacity: 2 * shape.channels * context.engine.threads)
        sums = .allocate(capacity: 2 * shape.channels)
        (threads, shards) = (context.threads, context.shards)
    }

    deinit {
        scratch.deallocate()
        sums.deallocate()
    }

    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        let (rows, channels) = (batch * output.height * output.width, output.channels)
        if mode == .evaluation {
            mean.pointer.update(from: runningMean.tensor.pointer, count: channels)
            variance.pointer.update(from: runningVariance.tensor.pointer, count: channels)
        } else {
            try measure(input)
        }
        if mode == .training { updateRunning(rows: shards.images * output.height * output.width) }
        for i in 0..<channels {
            inverse.pointer[i] = 1 / (variance.pointer[i] + BatchNorm.epsilon).squareRoot()
            a.pointer[i] = scale.value.pointer[i] * inverse.pointer[i]
            b.pointer[i] = shift.value.pointer[i] - a.pointer[i] * mean.pointer[i]
        }
        ck_channel_affine(input.pointer, result.pointer, rows, channels, a.pointer, b.pointer, threads)
        return result
    }

    /// Fills `mean` and `variance` with those of the mini-batch.
    private func measure(_ input: Tensor) throws {
        guard let all = sums.baseAddress else { return }
        let (pixels, channels) = (output.height * output.width, output.channels)
        try shards.moments(channels: channels, rows: pixels, into: all) { images, moments in
            ck_batch_norm_statistics(
                input.pointer + images.lowerBound * output.count, images.count * pixels, channels, mean.pointer, variance.pointer,
                scratch.baseAddress, threads)
            for i in 0..<channels { (moments[i], moments[channels + i]) = (Double(mean.pointer[i]), Double(variance.pointer[i])) }
        }
        for i in 0..<channels { (mean.pointer[i], variance.pointer[i]) = (Float(all[i]), Float(all[channels + i])) }
    }

    private func updateRunning(rows: Int) {
        let unbiased = Float(rows) / Float(max(rows - 1, 1))
        for i in 0..<output.channels {
            runningMean.tensor.pointer[i] += BatchNorm.runningRate * (mean.pointer[i] - runningMean.tensor.pointer[i])
            runningVariance.tensor.pointer[i] +=
                BatchNorm.runningRate * (unbiased * variance.pointer[i] - runningVariance.tensor.pointer[i])
        }
    }

    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        guard let input else { preconditionFailure("backward before forward") }
        let (rows, channels) = (batch * output.height * output.width, output.channels)
        let (sum, dot) = (shift.gradient.pointer, scale.gradient.pointer)
        try sumBackward(input, outputGradient)
        let total = Float(shards.images * output.height * output.width)
        // dx as p·dy + q·x + r, one multiply-add more per value than the formula, one pass less over memory.
        for i in 0..<channels {
            let p = scale.value.pointer[i] * inverse.pointer[i]
            let q = -p * inverse.pointer[i] * dot[i] / total
            (a.pointer[i], b.pointer[i]) = (p, q)
            c.pointer[i] = -p * sum[i] / total - q * mean.pointer[i]
        }
        ck_batch_norm_backward_input(
            input.pointer, outputGradient.pointer, inputGradient.pointer, rows, channels, a.pointer, b.pointer, c.pointer,
            threads)
        return inputGradient
    }

    /// Fills the gradients dβ and dγ with those of the mini-batch.
    private func sumBackward(_ input: Tensor, _ outputGradient: Tensor) throws {
        guard let all = sums.baseAddress else { return }
        let (pixels, channels) = (output.height * output.width, output.channels),
            (sum, dot) = (shift.gradient.pointer, scale.gradient.pointer)
        try shards.sum(2 * channels, into: all) { images, sums in
            let first = images.lowerBound * output.count
            ck_batch_norm_backward_sums(
                input.pointer + first, outputGradient.pointer + first, images.count * pixels, channels, mean.pointer, inverse.pointer, sum,
                dot,
                scratch.baseAddress, threads)
            for i in 0..<channels { (sums[i], sums[channels + i]) = (Double(sum[i]), Double(dot[i])) }
        }
        for i in 0..<channels { (sum[i], dot[i]) = (Float(all[i]), Float(all[channels + i])) }
    }
}
