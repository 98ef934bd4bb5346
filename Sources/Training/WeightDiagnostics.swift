// SPDX-License-Identifier: GPL-3.0-or-later
import Backends

/// How far the float and the quantized weights of a layer are apart, `w_q = δ·q` being the last projection.
public struct WeightDiagnostics: Equatable, Sendable {
    /// The weighted node's name.
    public let layer: String
    /// The share of integer weights that are 0; 0 at one bit.
    public let zero: Double
    /// `‖w_f − w_q‖/‖w_f‖`; nil where all float weights are 0.
    public let distance: Double?

    /// Of all quantized weights, in the network's order.
    public static func all(of network: Network) -> [WeightDiagnostics] { network.weights.compactMap(WeightDiagnostics.init) }

    /// `nil` for float weights.
    init?(_ weight: Parameter) {
        guard let integers = weight.integerWeights else { return nil }
        let count = weight.value.count, length = count / weight.slices
        var (zeros, residual, norm) = (0, 0.0, 0.0)
        for i in 0..<count {
            let float = Double(weight.value.pointer[i]), difference = float - Double(weight.scales[i / length] * Float(integers[i]))
            zeros += integers[i] == 0 ? 1 : 0
            residual += difference * difference
            norm += float * float
        }
        layer = weight.name.hasSuffix(".weight") ? String(weight.name.dropLast(7)) : weight.name
        zero = Double(zeros) / Double(count)
        distance = norm > 0 ? (residual / norm).squareRoot() : nil
    }
}
