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
        let count = weight.value.count, zeros = (0..<count).count { integers[$0] == 0 }
        let (residual, norm) = weight.projectionResidual
        layer = weight.name.hasSuffix(".weight") ? String(weight.name.dropLast(7)) : weight.name
        zero = Double(zeros) / Double(count)
        distance = norm > 0 ? (residual / norm).squareRoot() : nil
    }
}

extension Parameter {
    /// `Σ(w_f − w_q)²` and `Σw_f²`, `w_q = δ·q` being the last projection; zeros for float weights.
    package var projectionResidual: (residual: Double, norm: Double) {
        guard let integerWeights else { return (0, 0) }
        let length = value.count / slices
        var (residual, norm) = (0.0, 0.0)
        for i in 0..<value.count {
            let float = Double(value.pointer[i]), difference = float - Double(scales[i / length] * Float(integerWeights[i]))
            residual += difference * difference
            norm += float * float
        }
        return (residual, norm)
    }
}
