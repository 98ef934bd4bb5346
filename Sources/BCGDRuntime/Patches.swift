// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Convolutions of kernels, strides or paddings that the unit kernels do not have, as 1×1 convolutions: what lies under the kernel
/// becomes the channels of one pixel. The sums are the same integers.
struct Patches {
    let shape: ck_patches
    /// The kernel covers the whole map, as a linear layer's does: the map is its one patch.
    var isTheMap: Bool { shape.padding == 0 && shape.kernel == shape.height && shape.kernel == shape.width }

    /// `nil` for a unit that the kernels have.
    init?(_ unit: PackedModel.Unit, from: PackedModel.Shape) {
        guard unit.kind == .convolution, !([1, 3].contains(unit.kernel) && unit.padding == unit.kernel / 2 && unit.stride <= 2) else {
            return nil
        }
        shape = ck_patches(
            images: 1, height: from.height, width: from.width, channels: from.channels, kernel: unit.kernel, stride: unit.stride,
            padding: unit.padding)
    }

    /// Channels of a pixel that stands for what lies under the kernel.
    var channels: Int { shape.kernel * shape.kernel * shape.channels }
}

extension PackedModel {
    /// What the unit kernels compute of a convolution: `integerWeights` are `[O, I, K, K]` for `from`.
    func lowered(_ index: Int) -> (from: Shape, kernel: Int, stride: Int, integerWeights: [Int8]) {
        let (unit, from, plain) = (units[index], inputShape(index), integerWeights(index))
        guard let patches = Patches(unit, from: from) else { return (from, unit.kernel, unit.stride, plain) }
        let (taps, channels) = (unit.kernel * unit.kernel, from.channels)
        var integerWeights = [Int8](repeating: 0, count: plain.count)
        for o in 0..<unit.outputChannels {
            for i in 0..<channels {
                for tap in 0..<taps { integerWeights[(o * taps + tap) * channels + i] = plain[(o * channels + i) * taps + tap] }
            }
        }
        let pixels = Shape(height: shapes[index].height, width: shapes[index].width, channels: patches.channels)
        return (pixels, 1, 1, integerWeights)
    }
}
