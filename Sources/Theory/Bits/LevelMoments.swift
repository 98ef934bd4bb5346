// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// The expectations of one row that the b-bit model's formulas are made of (Theory.md B):
/// σ(x, α) = α Σ_{k<K} 1{x > kα}, K = 2^b − 1, x = ‖w‖X, y = Y, (X, Y) standard normal with correlation γ = cos θ; t_k = kα/‖w‖,
/// t*_l = lα*, T = Kα/‖w‖.
package struct LevelMoments: Sendable {
    package let top: Int
    package let alpha: Double
    package let normW: Double
    package let theta: Double
    package let alphaStar: Double
    private let formulas: BitsFormulas
    private let bits: Int
    /// t_k, φ(t_k), t*_l, φ(t*_l).
    private let t, density, tStar, densityStar: [Double]
    /// T.
    private let end: Double

    /// μ = E σ, M = E σ², and the target's.
    package let mean, square, meanStar, squareStar: Double

    package init(bits: Int, alpha: Double, normW: Double, theta: Double, alphaStar: Double, _ formulas: BitsFormulas = BitsFormulas()) {
        top = (1 << bits) - 1
        (self.bits, self.alpha, self.normW, self.theta, self.alphaStar, self.formulas) = (bits, alpha, normW, theta, alphaStar, formulas)
        t = (0..<top).map { Double($0) * alpha / normW }
        tStar = (0..<top).map { Double($0) * alphaStar }
        density = t.map(normalDensity)
        densityStar = tStar.map(normalDensity)
        end = formulas.clipEnd(top, alpha, normW)
        func moments(_ t: [Double], _ alpha: Double) -> (Double, Double) {
            var (mean, square) = (0.0, 0.0)
            for (k, threshold) in t.enumerated() {
                let tail = normalCumulative(-threshold)
                mean += alpha * tail
                square += alpha * alpha * Double(2 * k + 1) * tail
            }
            return (mean, square)
        }
        (mean, square) = moments(t, alpha)
        (meanStar, squareStar) = moments(tStar, alphaStar)
    }

    /// C = E σσ* = αα* ΣΣ P(X > t_k, Y > t*_l).
    package var cross: Double {
        var sum = 0.0
        for h in t { for k in tStar { sum += upperOrthant(h, k, theta: theta) } }
        return alpha * alphaStar * sum
    }

    /// `sin θ ∂C/∂γ = αα* ΣΣ φ(t_k) φ((γt_k − t*_l)/sin θ)`.
    package var crossTurn: Double {
        let (cosine, sine) = (cos(theta), sin(theta))
        var sum = 0.0
        for (h, weight) in zip(t, density) { for k in tStar { sum += weight * normalDensity((cosine * h - k) / sine) } }
        return alpha * alphaStar * sum
    }

    /// Derivatives of (μ, M, C) by ‖w‖ or by α: `Σ_k (∂/∂t_k)·(∂t_k)`, and for α the factors α before the sums.
    package func slopes(_ variable: Variable, cross: Double) -> (mean: Double, square: Double, cross: Double) {
        let (cosine, sine) = (cos(theta), sin(theta))
        var (m, s, c) = (0.0, 0.0, 0.0)
        for (k, threshold) in t.enumerated() {
            let move = variable == .length ? -threshold / normW : Double(k) / normW * (formulas.movesThresholds ? 1 : 0)
            let given = tStar.reduce(0) { $0 + normalCumulative((cosine * threshold - $1) / sine) }  // Σ_l P(Y > t*_l | X = t_k)
            m -= move * alpha * density[k]
            s -= move * alpha * alpha * Double(2 * k + 1) * density[k]
            c -= move * alpha * alphaStar * density[k] * given
        }
        guard variable == .stepSize else { return (m, s, c) }
        return (m + mean / alpha, s + 2 * square / alpha, c + cross / alpha)
    }

    package enum Variable { case length, stepSize }

    /// The coarse derivative μ′ in x: E X μ′, E X μ′σ, E X μ′σ*, and q = E Y_⊥ μ′σ*, Y_⊥ along p̂.
    package func coarse(_ proxy: Proxy) -> (first: Double, own: Double, target: Double, q: Double) {
        let (cosine, sine) = (cos(theta), sin(theta)), zero = normalDensity(0)
        let atEnd = proxy == .clipped ? normalDensity(end) : 0
        var (target, q) = (0.0, 0.0)
        for (threshold, weight) in zip(tStar, densityStar) {
            let low = normalCumulative(-cosine * threshold / sine)
            let share: Double
            switch proxy {
            case .clipped: share = normalCumulative((end - cosine * threshold) / sine) - low
            case .relu: share = 1 - low
            case .identity: share = 1
            }
            let edge =
                proxy == .identity || !formulas.edges
                ? 0 : zero * normalCumulative(-threshold / sine) - atEnd * normalCumulative((cosine * end - threshold) / sine)
            target += alphaStar * (edge + cosine * weight * share)
            q += alphaStar * sine * weight * share
        }
        let own = alpha * density.reduce(0) { $0 + $1 - (formulas.edges ? atEnd : 0) }
        return (proxy == .identity ? 0 : zero - atEnd, own, target, q)
    }

    /// The coarse derivative s in α: E s, E sσ, E sσ*.
    package func stepSize(_ rule: StepSizeRule, cross: Double) -> (first: Double, own: Double, target: Double) {
        switch rule {
        case .almostEverywhere: return (mean / alpha, square / alpha, cross / alpha)
        case .learnedStep:
            let ramp = coarse(.clipped), share = normW / alpha
            return (mean / alpha - share * ramp.first, square / alpha - share * ramp.own, cross / alpha - share * ramp.target)
        default:
            let low = formulas.middle(rule, bits), high = Double(top) - low, tail = normalCumulative(-end)
            var (above, beyond) = (0.0, 0.0)
            for threshold in tStar {
                above += alphaStar * upperOrthant(0, threshold, theta: theta)
                beyond += alphaStar * upperOrthant(end, threshold, theta: theta)
            }
            return (low / 2 + high * tail, low * mean + high * Double(top) * alpha * tail, low * above + high * beyond)
        }
    }
}

/// What `--power` breaks in the b-bit formulas.
public struct BitsFormulas: Sendable {
    /// A rule's value on (0, Kα].
    package var middle: @Sendable (_ rule: StepSizeRule, _ bits: Int) -> Double = { rule, bits in
        switch rule {
        case .threeValued: Double(1 << (bits - 1))
        case .minimum: 1
        case .half: 0.5
        case .twoValued, .almostEverywhere, .learnedStep: 0
        }
    }
    /// T = Kα/‖w‖.
    package var clipEnd: @Sendable (_ top: Int, _ alpha: Double, _ normW: Double) -> Double = { Double($0) * $1 / $2 }
    /// Whether ∂f/∂α knows that the thresholds kα move.
    package var movesThresholds = true
    /// Whether E X μ′σ and E X μ′σ* know the edges of μ′.
    package var edges = true
    /// A factor on LSQ's identity's right side, and the sign of the angular theorem's.
    package var rampFactor = 1.0
    package var angularSign = 1.0
    /// Whether batch norm's backward pass has its mean of g·x̂.
    package var normBackward = true
    /// A factor on C in the ∂f/∂v that a step follows.
    package var crossFactor = 1.0
}
