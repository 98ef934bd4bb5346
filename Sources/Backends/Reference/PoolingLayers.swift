// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// Maximum over a square window; a last row or column that does not fill a window is left out, ties go to the first
/// value in row-major order (both as in PyTorch).
final class MaxPoolLayer: Layer {
    private let output: FeatureShape
    private let shape: ck_pool
    private let result, inputGradient: Tensor
    private let argmax: UnsafeMutableBufferPointer<UInt8>
    private let threads: Int32

    init(_ input: FeatureShape, window: Int, stride: Int, padding: Int = 0, in context: ExecutionContext) {
        precondition((1...15).contains(window) && 2 * padding <= window)
        shape = ck_pool(
            images: 0, height: input.height, width: input.width, channels: input.channels, window: window, stride: stride,
            padding: padding)
        output = input.windowed(kernel: window, stride: stride, padding: padding, channels: input.channels)
        (result, inputGradient) = (output.tensor(batch: context.batch), input.tensor(batch: context.batch))
        argmax = .allocate(capacity: output.count * context.batch)
        threads = context.threads
    }

    deinit { argmax.deallocate() }

    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        ck_max_pool_forward(input.pointer, result.pointer, argmax.baseAddress, shape.with(images: batch), threads)
        return result
    }

    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        ck_max_pool_backward(
            outputGradient.pointer, argmax.baseAddress, inputGradient.pointer, shape.with(images: batch), threads)
        return inputGradient
    }
}

/// Mean over all pixels: `[N, H, W, C]` to `[N, 1, 1, C]`.
final class GlobalMeanPoolLayer: Layer {
    private let output: FeatureShape
    private let shape: ck_pool
    private let result, inputGradient: Tensor
    private let threads: Int32

    init(_ input: FeatureShape, in context: ExecutionContext) {
        shape = ck_pool(
            images: 0, height: input.height, width: input.width, channels: input.channels, window: 0, stride: 0, padding: 0)
        output = FeatureShape(height: 1, width: 1, channels: input.channels)
        (result, inputGradient) = (output.tensor(batch: context.batch), input.tensor(batch: context.batch))
        threads = context.threads
    }

    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        ck_mean_pool_forward(input.pointer, result.pointer, shape.with(images: batch), threads)
        return result
    }

    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        ck_mean_pool_backward(outputGradient.pointer, inputGradient.pointer, shape.with(images: batch), threads)
        return inputGradient
    }
}

extension ck_pool {
    func with(images: Int) -> ck_pool {
        var shape = self
        shape.images = images
        return shape
    }
}
