// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Networks
import Quantization

/// The update of METHOD.md part 1, with momentum and weight decay, for every parameter of a network:
///
///     w_f ← (1 − ρ) w_f + ρ w_q                     blend (quantized weights only)
///     m   ← momentum·m + ∇̃f(w_q, α) + decay·w_f
///     w_f ← w_f − η m                               correct
///     w_q ← proj_Q(w_f)
///     α   likewise with rate η_α = factor·η, without blend and decay, and never below its minimum
///
/// ρ = 0 is BinaryConnect. The gradient is the one that the network's last backward pass left.
package struct CoarseGradientDescent {
    private let recipe: Recipe
    private let network: Network
    private let projection: WeightProjection?
    private let projected: [Parameter]
    private let threads: Int32

    /// Makes the recipe's layers quantized and projects their weights.
    package init(_ network: Network, recipe: Recipe, threads: Int) throws {
        (self.network, self.recipe, self.threads) = (network, recipe, Int32(threads))
        projection = try recipe.weightProjection()
        var weights = projection == nil ? [] : network.weights
        if recipe.quantizedLayers == .inner { weights = Array(weights.dropFirst().dropLast()) }
        projected = weights
        for weight in weights { weight.enableQuantization() }
    }

    /// `w_q ← proj_Q(w_f)` for every quantized weight tensor, one scale a layer.
    package func project() {
        guard let projection else { return }
        for parameter in projected { parameter.project(projection, threads: Int(threads)) }
    }

    /// Blend, correction and, at one bit, projection are one pass over each tensor (`ck_bcgd_step`); other projections
    /// need the magnitudes of all weights first and take the passes that follow.
    package func step(rate: Double) {
        for parameter in network.parameters {
            let isResolution = parameter.kind == .resolution
            let step = ck_bcgd(
                blending: recipe.effectiveBlending, momentum: recipe.momentum, decay: isResolution ? 0 : recipe.weightDecay,
                rate: Float(isResolution ? rate * recipe.resolutionRateFactor : rate))
            let (w, isBinary) = (parameter.value.pointer, projection?.bits == 1)
            let magnitudes = ck_bcgd_step(
                w, parameter.codes, parameter.codeScale, parameter.gradient.pointer, parameter.momentum.pointer,
                parameter.value.count, step, isBinary ? 1 : 0, threads)
            if isResolution { w[0] = max(w[0], recipe.resolutionMinimum) }
            if let projection {
                let known = Magnitudes(sum: magnitudes.sum, maximum: magnitudes.maximum, haveSigns: isBinary)
                parameter.project(projection, known, threads: Int(threads))
            }
        }
    }
}
