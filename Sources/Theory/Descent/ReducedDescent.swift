// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Coarse gradient descent on the population loss in five numbers: it closes exactly in `c = vᵀv*`, `1ᵀv`, `‖v‖²`, θ and ‖w‖, given m,
/// `s = 1ᵀv*` and `‖v*‖²`. A step costs the same for every m and n. The full dynamics are `CoarseDescent`.
package struct ReducedDescent: Sendable {
    // Targets
    package let m: Double
    package let s: Double
    /// ‖v*‖².
    package let squareTarget: Double
    // How it steps
    package let proxy: Proxy
    package var rate: Double
    package let normalized: Bool
    // State
    package var overlap: Double
    package var sumV: Double
    package var squareV: Double
    package var theta: Double
    package var normW: Double

    package init(v: [Double], vStar: [Double], theta: Double, normW: Double = 1, proxy: Proxy, rate: Double, normalized: Bool) {
        (m, s, squareTarget) = (Double(vStar.count), vStar.reduce(0, +), dot(vStar, vStar))
        (self.proxy, self.rate, self.normalized, self.theta, self.normW) = (proxy, rate, normalized, theta, normW)
        (overlap, sumV, squareV) = (dot(v, vStar), v.reduce(0, +), dot(v, v))
    }

    /// At the minimum over v, `v = k v* + (1−k)s/(m+1) 1`, of a target known by m, s and ‖v*‖² only.
    package init(stationaryAt theta: Double, m: Int, s: Double, squareTarget: Double, proxy: Proxy, rate: Double, normalized: Bool) {
        let k = 1 - 2 * theta / .pi, count = Double(m), along = (1 - k) * s / (count + 1)
        (self.m, self.s, self.squareTarget, self.proxy, self.rate, self.normalized) = (count, s, squareTarget, proxy, rate, normalized)
        (self.theta, normW) = (theta, 1)
        overlap = k * squareTarget + along * s
        sumV = k * s + along * count
        squareV = k * k * squareTarget + 2 * k * along * s + along * along * count
    }

    package var k: Double { 1 - 2 * theta / .pi }

    /// METHOD.md item 1.
    package var loss: Double {
        (squareV + sumV * sumV - 2 * (k * overlap + sumV * s) + squareTarget + s * s) / 8
    }

    /// ‖∂f/∂v‖², to 1e-16 of its terms.
    package var squareSlope: Double {
        let gap = sumV - s
        return (squareV + m * gap * gap + k * k * squareTarget + 2 * gap * sumV - 2 * k * overlap - 2 * k * gap * s) / 16
    }

    /// In R₊ = {c > 0, θ < π/2, s·1ᵀv ≤ s²}, from where normalised descent goes to the global minimum (Theory.md A7).
    package var isInGlobalBasin: Bool { overlap > 0 && theta < .pi / 2 && s * (s - sumV) >= -1e-15 * (1 + s * s) }
    /// In R₋ = {c < 0, s(s − 1ᵀv) ≤ 2a, k ≤ −2a/‖v*‖²}, a = s²/(m+1), from where it goes to the spurious one.
    package var isInSpuriousBasin: Bool {
        let a = s * s / (m + 1)
        return overlap < 0 && s * (s - sumV) <= 2 * a && k <= -2 * a / squareTarget
    }

    /// Steps until R₊ (true) or R₋ (false) is entered; nil when neither is within so many steps, or a rise of f exceeds `rise` of f before.
    mutating func basin(within steps: Int, rise: (_ f: Double) -> Double) -> Bool? {
        for _ in 0..<steps {
            if isInGlobalBasin { return true }
            if isInSpuriousBasin { return false }
            let f = loss
            step()
            if loss - f > rise(f) { return nil }
        }
        return nil
    }

    package mutating func step() {
        let direction = proxy.direction(
            h: squareV + sumV * sumV - sumV * s + overlap, squareV: squareV, overlap: overlap, theta: theta, normW: normW)
        let k = self.k, square = squareSlope
        let (alongTarget, alongOnes) = (overlap + sumV * s - k * squareTarget - s * s, (m + 1) * sumV - (k + m) * s)
        let alongV = squareV + sumV * sumV - k * overlap - sumV * s
        let kept = normW - rate * direction.radial, across = rate * overlap * direction.q
        theta = turned(theta, by: atan2(across, kept))
        normW = normalized ? 1 : hypot(kept, across)
        overlap -= rate * alongTarget / 4
        sumV -= rate * alongOnes / 4
        squareV += rate * (rate * square - alongV / 2)
    }
}

extension Proxy {
    /// `a` and `q ≥ 0` of `E g = a u − c q p̂` (METHOD.md items 4 and 6).
    package func direction(h: Double, squareV: Double, overlap c: Double, theta: Double, normW: Double) -> (radial: Double, q: Double) {
        let density = normalDensity(0)
        switch self {
        case .relu: return ((h - c * (1 + cos(theta))) * density / 2, sin(theta) * density / 2)
        case .clipped:
            let moments = ClippedMoments(theta: theta, normW: normW)
            return (moments.p0 * h / 2 - c * moments.p, moments.q)
        case .identity: return ((squareV - c * cos(theta)) * density, sin(theta) * density)
        }
    }

    /// `q ≤ qLimit · sin θ` for every ‖w‖: 1/(2√(2π)), twice that for the identity.
    package var qLimit: Double { normalDensity(0) * (self == .identity ? 1 : 0.5) }
}

/// The angle in [0, π] after a turn by `delta` towards w*, which may go beyond it.
package func turned(_ theta: Double, by delta: Double) -> Double {
    let moved = abs(theta - delta)
    return moved > .pi ? 2 * .pi - moved : moved
}
