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
///     α   likewise without blend, with rate η_α = factor·η, and never below its minimum
///
/// ρ = 0 is BinaryConnect. The gradient is the one that the network's last backward pass left.
struct CoarseGradientDescent {
    private let recipe: Recipe
    private let network: Network
    private let projected: [(parameter: Parameter, projector: WeightProjector)]
    private let threads: Int32

    /// Makes the recipe's layers quantized and projects their weights.
    init(_ network: Network, recipe: Recipe, threads: Int) throws {
        (self.network, self.recipe, self.threads) = (network, recipe, Int32(threads))
        var weights = recipe.weightBits == 32 ? [] : network.weights
        if recipe.quantizedLayers == .inner { weights = Array(weights.dropFirst().dropLast()) }
        projected = try weights.map {
            _ = $0.enableQuantization()
            return ($0, try WeightProjector(bits: recipe.weightBits, count: $0.value.count))
        }
    }

    /// `w_q ← proj_Q(w_f)` for every quantized weight tensor, one scale a layer.
    func project() throws {
        for (parameter, projector) in projected {
            guard let quantized = parameter.quantized else { continue }
            try projector.project(parameter.value.pointer, into: quantized.pointer, threads: Int(threads))
        }
    }

    func step(rate: Double) throws {
        for parameter in network.parameters {
            let isResolution = parameter.kind == .resolution
            let sgd = ck_sgd(
                blending: recipe.effectiveBlending, momentum: recipe.momentum, decay: recipe.weightDecay,
                rate: Float(isResolution ? rate * recipe.resolutionRateFactor : rate))
            let (w, m) = (parameter.value.pointer, parameter.momentum.pointer)
            let quantized = sgd.blending > 0 ? parameter.quantized?.pointer : nil
            ck_sgd_step(w, quantized, parameter.gradient.pointer, m, parameter.value.count, sgd, threads)
            if isResolution { w[0] = max(w[0], recipe.resolutionMinimum) }
        }
        try project()
    }
}
