// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute

/// The mean gradient of several mini-batches, each weighted by its images: what one mini-batch of all of them would give, but for batch
/// norm, whose statistics are those of each.
struct GradientAccumulation {
    private let sum: Tensor
    private var images = 0

    /// - Parameter gradients: the block that each backward pass overwrites.
    init(_ gradients: Tensor) { sum = Tensor(gradients.shape) }

    mutating func add(_ gradients: Tensor, images count: Int) {
        let weight = Float(count)
        for i in 0..<sum.count { sum.pointer[i] = (images == 0 ? 0 : sum.pointer[i]) + weight * gradients.pointer[i] }
        images += count
    }

    /// Writes the mean where the gradients were, and begins anew.
    mutating func writeMean(to gradients: Tensor) {
        let divisor = Float(images)
        for i in 0..<sum.count { gradients.pointer[i] = sum.pointer[i] / divisor }
        images = 0
    }
}
