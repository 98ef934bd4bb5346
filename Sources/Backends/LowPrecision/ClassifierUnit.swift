// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// The mean over pixels and the linear layer, in f32.
final class ClassifierUnit {
    private let pool: ck_pool
    private let linear: LinearLayer
    /// Means of all channels in memory, and of the layer's own where they are fewer.
    private let means: Tensor
    private let features: Tensor
    private let gradient: Buffer<UInt16>
    private let channels: Int
    private let threads: Int32

    /// - Parameters:
    ///   - map: that `forward` will be given.
    ///   - channels: how many of the map's the network knows.
    ///   - isOrdered: the same bits on every processor.
    init(_ unit: FusedUnit, _ map: FeatureMap, channels: Int, _ tensors: Parameters, isOrdered: Bool, in context: ExecutionContext) {
        let (shape, batch) = (map.shape, context.batch)
        func pixel(_ channels: Int) -> FeatureShape { FeatureShape(height: 1, width: 1, channels: channels) }
        pool = ck_pool(images: 0, height: shape.height, width: shape.width, channels: shape.channels, window: 0, stride: 0, padding: 0)
        linear = LinearLayer(
            pixel(channels), weight: tensors[unit.name + ".weight"], bias: tensors[unit.name + ".bias"], isOrdered: isOrdered, in: context)
        means = pixel(shape.channels).tensor(batch: batch)
        features = channels == shape.channels ? means : pixel(channels).tensor(batch: batch)
        gradient = Buffer(shape.count * batch, zero: 0)
        self.channels = channels
        threads = context.threads
    }

    func forward(_ map: FeatureMap, batch: Int, mode: Mode) throws -> Tensor {
        ck_map_mean_forward(map.pointer, map.type, map.unit, means.pointer, pool.with(images: batch), threads)
        if features !== means {
            for n in 0..<batch { (features.pointer + n * channels).update(from: means.pointer + n * pool.channels, count: channels) }
        }
        return try linear.forward(features, batch: batch, mode: mode)
    }

    func backward(_ scoreGradient: Tensor, batch: Int) throws -> Buffer<UInt16> {
        var dmean = try linear.backward(scoreGradient, batch: batch)
        if features !== means {
            for n in 0..<batch { (means.pointer + n * pool.channels).update(from: dmean.pointer + n * channels, count: channels) }
            dmean = means
        }
        ck_map_mean_backward(dmean.pointer, gradient.pointer, pool.with(images: batch), threads)
        return gradient
    }
}
