// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
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

    /// Adam with the blend before it; `momentum` is its mean gradient.
    /// - Parameters:
    ///   - gradient: ∇̃f at `w_q`.
    ///   - squares: v, of the weights.
    ///   - number: t, counted from 1.
    package mutating func adamStep(
        gradient: [Double], squares: inout [Double], number: Int, blending: Double, beta1: Double, beta2: Double, epsilon: Double,
        decay: Double,
        learningRate: Double
    ) {
        let (first, second) = (1 - pow(beta1, Double(number)), 1 - pow(beta2, Double(number)))
        for i in weights.indices {
            weights[i] = (1 - blending) * weights[i] + blending * scale * Double(integerWeights[i])
            let g = gradient[i] + decay * weights[i]
            momentum[i] = beta1 * momentum[i] + (1 - beta1) * g
            squares[i] = beta2 * squares[i] + (1 - beta2) * g * g
            weights[i] -= learningRate * (momentum[i] / first) / ((squares[i] / second).squareRoot() + epsilon)
        }
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
