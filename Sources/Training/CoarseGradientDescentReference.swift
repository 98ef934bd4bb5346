// SPDX-License-Identifier: GPL-3.0-or-later
import Quantization

/// The update of one weight tensor as METHOD.md part 1 writes it, step after step: what `CoarseGradientDescent` computes
/// in one pass over memory.
package struct CoarseGradientDescentReference {
    /// `w_f`, its momentum, and the projection `w_q = scale·integerWeights`.
    package private(set) var weights, momentum: [Double]
    package private(set) var scale: Double
    package private(set) var integerWeights: [Int]
    private let projection: WeightProjection

    package init(weights: [Double], momentum: [Double], projection: WeightProjection) {
        (self.weights, self.momentum, self.projection) = (weights, momentum, projection)
        (scale, integerWeights) = projection.referenceProject(weights)
    }

    /// - Parameter gradient: ∇̃f at `w_q`.
    package mutating func step(gradient: [Double], blending: Double, momentum factor: Double, decay: Double, learningRate: Double) {
        for i in weights.indices {
            weights[i] = (1 - blending) * weights[i] + blending * scale * Double(integerWeights[i])
            momentum[i] = factor * momentum[i] + gradient[i] + decay * weights[i]
            weights[i] -= learningRate * momentum[i]
        }
        (scale, integerWeights) = projection.referenceProject(weights)
    }
}
