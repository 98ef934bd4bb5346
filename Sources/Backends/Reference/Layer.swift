// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Graph

/// A layer with hand-written forward and (coarse) backward passes over channels-last maps.
///
/// `forward` returns a buffer that the layer owns and overwrites at the next call; `backward` takes the gradient of
/// the loss in that output, *overwrites* the gradients of the layer's parameters, and returns the gradient in the
/// input of the last `forward`. Only the leading `batch` images of any tensor are read or written.
protocol Layer: AnyObject {
    func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor
    func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor
}
