// SPDX-License-Identifier: GPL-3.0-or-later
import Statistics

/// Monte Carlo estimates of the b-bit model that use none of its formulas: the true gradients in w and α by conditioning each row on
/// its kinks x_i = kα, whose jumps are the only way in which f depends on w, and, beside the factor α, on α.
package struct LevelEstimates: Sendable {
    package let place: LevelPoint
    package let blocks: SampleMoments

    /// Mean and block covariance.
    package func moments(_ quantity: LevelQuantity) -> SampleMoments {
        let (m, n) = (place.point.m, place.point.n), scalars = 1 + m + 4 * n, d = scalars + 5
        func part(_ k: Int) -> SampleMoments { blocks[(1 + m + k * n)..<(1 + m + (k + 1) * n)] }
        /// A linear form of the five sums: kinks by k, code, above Kα, between, ramp.
        func form(_ coefficients: [Double]) -> SampleMoments {
            blocks.mapped(by: Matrix(rows: 1, columns: d) { $1 < scalars ? 0 : coefficients[$1 - scalars] })
        }
        let top = Double((1 << place.bits) - 1), steps = place.alpha / place.point.normW
        switch quantity {
        case .loss: return blocks[0..<1]
        case .gradientV: return blocks[1..<(1 + m)]
        case .gradientW:
            // (α/‖w‖) P Zᵀc, and along u (α/‖w‖)² times the sum weighted by k.
            let u = place.point.u
            return blocks.mapped(
                by: Matrix(rows: n, columns: d) { i, j in
                    if j == scalars { return steps * steps * u[i] }
                    let column = j - (1 + m + 3 * n)
                    guard column >= 0 && column < n else { return 0 }
                    return steps * ((i == column ? 1 : 0) - u[i] * u[column])
                })
        case .gradientAlpha: return form([-steps, 1, 0, 0, 0])
        case .coarse(let proxy): return part(Proxy.allCases.firstIndex(of: proxy)!)
        case .coarseAlpha(.almostEverywhere): return form([0, 1, 0, 0, 0])
        case .coarseAlpha(.learnedStep): return form([0, 1, 0, 0, -1])
        case .coarseAlpha(.threeValued): return form([0, 0, top, Double(1 << (place.bits - 1)), 0])
        case .coarseAlpha(.twoValued): return form([0, 0, top, 0, 0])
        case .coarseAlpha(.minimum): return form([0, 0, top, 1, 0])
        case .coarseAlpha(.half): return form([0, 0, top, 0.5, 0])
        }
    }

    /// With one bit the kink lies at 0, so ∂f/∂w has no part along w: it is then tested across w.
    package func testable(_ quantity: LevelQuantity, _ vector: [Double]) -> (SampleMoments, [Double]) {
        guard quantity == .gradientW, place.bits == 1 else { return (moments(quantity), vector) }
        let basis = tangentCoordinates(place.point.u)
        return (moments(quantity).mapped(by: basis), basis * vector)
    }
}
