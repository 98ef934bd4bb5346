// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import CKernels
import Foundation
import Quantization

/// The update of METHOD.md part 1, with momentum and weight decay, for every parameter of a network:
///
///     w_f ← (1 − ρ) w_f + ρ w_q                     blend (quantized weights only)
///     m   ← momentum·m + ∇̃f(w_q, α) + decay·w_f
///     w_f ← w_f − η m                               correct
///     w_q ← proj_Q(w_f)
///     α   likewise with rate η_α = rate factor·η, without blend, with a decay of its own (0 in the paper's recipe), with
///         clamp(gradient factor·∇̃_α f, ±limit) for ∇̃_α f, and kept between its minimum and maximum
///
/// With Adam (Kingma & Ba, arXiv 1412.6980, algorithm 1), g being the gradient with its decay and t the steps so far:
///
///     m ← β₁m + (1 − β₁)g,   v ← β₂v + (1 − β₂)g²,   w_f ← w_f − η·(m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε)
///
/// ρ = 0 is BinaryConnect. BinaryRelax is BinaryConnect whose passes use (λ·w_q + w_f)/(1 + λ) instead of w_q in the first
/// epochs. The gradient is the one that the network's last backward pass left.
///
/// Whoever trains calls, in this order: `start` at every epoch; `prepareStep`, the passes and `step` at every step.
package struct CoarseGradientDescent {
    private let recipe: Recipe
    private let network: Network
    private let threads: Int32
    /// Names of parameters that are no part of what is learned: batch norm's, where it has no scale and shift of its own.
    let fixed: Set<String>

    /// - Parameter network: of the recipe's graph; the first projection comes with `project`.
    package init(_ network: Network, recipe: Recipe, threads: Int) {
        (self.network, self.recipe, self.threads) = (network, recipe, Int32(threads))
        let norms = network.graph.nodes.filter { $0.operation == .batchNorm }.map(\.name)
        fixed = recipe.batchNormAffine ? [] : Set(norms.flatMap { [$0 + ".weight", $0 + ".bias"] })
    }

    /// `w_q ← proj_Q(w_f)` for every quantized weight tensor.
    package func project() { network.tensors.project(threads: Int(threads)) }

    /// Has the passes of an epoch, counted from 0, use the weights that are its method's; the projection stays as it is.
    package func start(epoch: Int) { use(recipe.relaxation(epoch: epoch)) }

    /// Has the next passes use the quantized weights, for an evaluation in any epoch; `start` goes back.
    package func useQuantizedWeights() { use(nil) }

    private func use(_ relaxation: Float?) {
        network.tensors.useProjection(relaxationShare: relaxation.map { $0 / (1 + $0) } ?? 1, threads: Int(threads))
    }

    /// Where evaluation lags, the projection of the last step has lasted until now.
    package func prepareStep() {
        if recipe.evaluation == .lagged { project() }
    }

    /// - Parameter number: of the step, counted from 1 over the whole run.
    package func step(learningRate: Double, number: Int = 1) {
        network.tensors.takeCoarseGradients(threads: Int(threads))
        for parameter in network.parameters where !parameter.spec.isFixed && !fixed.contains(parameter.name) {
            let isStepSize = parameter.kind == .stepSize
            if isStepSize { limitGradient(parameter) }
            let rate = Float(isStepSize ? learningRate * recipe.stepSizeRateFactor : learningRate)
            let known = recipe.optimizer == .adam ? adam(parameter, rate, number) : sgd(parameter, rate)
            if isStepSize { limit(parameter) }
            if recipe.evaluation == .current, parameter.integerWeights != nil { parameter.project(known: known, threads: Int(threads)) }
        }
    }

    private func decay(_ parameter: Parameter) -> Float { parameter.kind == .stepSize ? recipe.stepSizeDecay : recipe.weightDecay }

    /// Blend, correction and, at one bit, projection are one pass over each tensor (`ck_bcgd_step`); other projections
    /// need the magnitudes of all weights first and take the passes that follow.
    private func sgd(_ parameter: Parameter, _ learningRate: Float) -> KnownMagnitudes {
        let step = ck_bcgd(
            blending: recipe.effectiveBlending, momentum: recipe.momentum, decay: decay(parameter), learning_rate: learningRate)
        let isBinary = parameter.integerWeights != nil && recipe.evaluation == .current && parameter.isBinary
        ck_bcgd_step(
            parameter.value.pointer, parameter.integerWeights, parameter.scales, parameter.gradient.pointer,
            parameter.momentum.pointer, parameter.value.count, parameter.slices, step, isBinary ? 1 : 0, parameter.magnitudes,
            threads)
        return .perSlice(UnsafePointer(parameter.magnitudes), haveSigns: isBinary)
    }

    private func adam(_ parameter: Parameter, _ learningRate: Float, _ number: Int) -> KnownMagnitudes {
        guard let squares = parameter.secondMoment else { preconditionFailure("\(parameter.name) has no room for Adam") }
        func correction(_ beta: Float) -> Double { 1 - pow(Double(beta), Double(number)) }
        let step = ck_adam(
            blending: recipe.effectiveBlending, beta1: recipe.momentum, beta2: recipe.adamBeta2, epsilon: recipe.adamEpsilon,
            decay: decay(parameter), learning_rate: Float(Double(learningRate) / correction(recipe.momentum)),
            root_correction: Float(1 / correction(recipe.adamBeta2).squareRoot()))
        ck_adam_step(
            parameter.value.pointer, parameter.integerWeights, parameter.scales, parameter.gradient.pointer, parameter.momentum.pointer,
            squares.pointer, parameter.value.count, parameter.slices, step, threads)
        return .none
    }

    private func limitGradient(_ stepSize: Parameter) {
        let limit = recipe.stepSizeGradientLimit ?? .infinity, gradient = stepSize.gradient.pointer
        for i in 0..<stepSize.gradient.count { gradient[i] = min(max(recipe.stepSizeGradientFactor * gradient[i], -limit), limit) }
    }

    /// Brings every learned step size between its minimum and maximum, and projects the weights, some of which have one too.
    package func limitStepSizes() {
        for parameter in network.parameters where parameter.kind == .stepSize && !parameter.spec.isFixed { limit(parameter) }
        project()
    }

    private func limit(_ stepSize: Parameter) {
        let alpha = stepSize.value.pointer
        for i in 0..<stepSize.value.count { alpha[i] = min(max(alpha[i], recipe.stepSizeMinimum), recipe.stepSizeMaximum ?? .infinity) }
    }
}
