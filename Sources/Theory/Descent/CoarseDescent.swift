// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Coarse gradient descent on the model (METHOD.md item 8; Yin et al. 2019, section 2):
/// `v ← v − η ∂f/∂v`, `w ← w − η E g`, divided by its length when `normalized`.
public struct CoarseDescent: Sendable {
    public let proxy: Proxy
    /// The step size η > 0.
    public let rate: Double
    public let normalized: Bool

    public init(proxy: Proxy = .relu, rate: Double, normalized: Bool) {
        (self.proxy, self.rate, self.normalized) = (proxy, rate, normalized)
    }

    /// One step with the population's expected gradients (the closed forms).
    public func step(_ point: TwoLayerPoint, formulas: Formulas = .theory) -> TwoLayerPoint {
        moved(
            point, gradientV: formulas.value(.gradientV, at: point), coarse: formulas.value(proxy.coarse, at: point))
    }

    /// One step with the means of a mini-batch of `size` samples.
    func step(_ point: TwoLayerPoint, by sampler: MonteCarlo, size: Int, experiment: UInt32, index: Int) throws -> TwoLayerPoint {
        let means = try sampler.batch(point, size: size, experiment: experiment, index: index)
        return moved(point, gradientV: means.gradientV, coarse: means.coarse(proxy))
    }

    private func moved(_ point: TwoLayerPoint, gradientV: [Double], coarse: [Double]) -> TwoLayerPoint {
        let w = added(point.w, -rate, coarse)
        return point.moved(v: added(point.v, -rate, gradientV), w: normalized ? scaled(w, by: 1 / norm(w)) : w)
    }
}
