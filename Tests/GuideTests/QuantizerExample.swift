// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Networks

/// A quantized ReLU that rounds to the nearest level, not up: `α · clamp(round(x/α), 0, L)`, `L = 2^bits − 1`.
public final class NearestReLULayer: Layer {
    public let output: FeatureShape
    public let resolution: Parameter  // α
    public var parameters: [Parameter] { [resolution] }
    private let top: Float  // L
    private let result, inputGradient: Tensor
    private var input: Tensor?

    public init(_ name: String, bits: Int, _ shape: FeatureShape, in workshop: Workshop) {
        (output, top) = (shape, Float((1 << bits) - 1))
        resolution = Parameter(name + ".resolution", .resolution, shape: [1], initial: .constant(1))
        (result, inputGradient) = (shape.tensor(batch: workshop.batch), shape.tensor(batch: workshop.batch))
    }

    public func forward(_ input: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        self.input = input
        let x = UnsafeBufferPointer(start: input.pointer, count: batch * output.count)
        if mode == .calibration, let largest = x.max(), largest > 0 { resolution.value.fill(largest / top) }
        let alpha = resolution.value.pointer[0]
        for i in x.indices { result.pointer[i] = alpha * min(max((x[i] / alpha).rounded(), 0), top) }
        return result
    }

    /// Coarse derivatives: in x the clipped ReLU's, in α the three-valued one.
    public func backward(_ outputGradient: Tensor, batch: Int) throws -> Tensor {
        guard let input else { preconditionFailure("backward before forward") }
        let limit = top * resolution.value.pointer[0]
        var sum: Float = 0
        for i in 0..<batch * output.count {
            let (x, dy) = (input.pointer[i], outputGradient.pointer[i])
            inputGradient.pointer[i] = x > 0 && x <= limit ? dy : 0
            sum += dy * (x <= 0 ? 0 : x <= limit ? (top + 1) / 2 : top)
        }
        resolution.gradient.fill(sum)
        return inputGradient
    }
}

public func nearestReLU(bits: Int) -> Activation {
    .custom(CustomActivation("nearest-relu-\(bits)") { NearestReLULayer($0, bits: bits, $1, in: $2) })
}
