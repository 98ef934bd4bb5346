// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// `P(X > h, Y > k)` of standard normals with correlation cos θ, h, k ≥ 0, 0 ≤ θ ≤ π, to 1e-15 at every angle: by Owen's T
/// (Ann. Math. Statist. 27, 1956), `½[Q(h) + Q(k)] − T(h, (k − γh)/(h sin θ)) − T(k, (h − γk)/(k sin θ))`.
package func upperOrthant(_ h: Double, _ k: Double, theta: Double) -> Double {
    if theta <= 0 { return normalCumulative(-max(h, k)) }
    if theta >= .pi { return 0 }
    if h == 0 && k == 0 { return (.pi - theta) / (2 * .pi) }
    if h == 0 || k == 0 {
        let other = max(h, k)
        return normalCumulative(-other) / 2 + owensT(other, 1 / tan(theta))
    }
    // k − h cos θ = (k − h) + 2h sin²(θ/2), which does not cancel near θ = 0.
    let half = sin(theta / 2), sine = sin(theta)
    func slope(_ x: Double, _ y: Double) -> Double { (y - x + 2 * x * half * half) / (x * sine) }
    return (normalCumulative(-h) + normalCumulative(-k)) / 2 - owensT(h, slope(h, k)) - owensT(k, slope(k, h))
}

/// Owen's `T(h, a) = (1/2π) ∫₀ᵃ e^{−h²(1+x²)/2}/(1+x²) dx`, h ≥ 0, odd in a: 48-point Gauss–Legendre for |a| ≤ 1, else
/// `T(h, a) = ½[Q(h) + Q(ah)] − Q(h)Q(ah) − T(ah, 1/a)`.
package func owensT(_ h: Double, _ a: Double) -> Double {
    if a < 0 { return -owensT(h, -a) }
    if h == 0 { return atan(a) / (2 * .pi) }
    if a > 1 {
        let (p, q) = (normalCumulative(-h), normalCumulative(-a * h))
        return (p + q) / 2 - p * q - owensT(a * h, 1 / a)
    }
    // Below 1e-18 of the whole.
    guard h < 9, a > 0 else { return 0 }
    var sum = 0.0
    for (x, weight) in GaussLegendre.points {
        let square = a * a * x * x
        sum += weight * exp(-h * h * square / 2) / (1 + square)
    }
    return a * exp(-h * h / 2) * sum / (2 * .pi)
}

/// The 48-point Gauss–Legendre rule on [0, 1].
package enum GaussLegendre {
    package static let points: [(x: Double, weight: Double)] = rule(48)

    /// Newton's method on Legendre's polynomial from Tricomi's starting values.
    package static func rule(_ count: Int) -> [(x: Double, weight: Double)] {
        (0..<count).map { index in
            var x = cos(.pi * (Double(index) + 0.75) / (Double(count) + 0.5)), slope = 0.0
            for _ in 0..<10 {
                var (last, value) = (1.0, x)
                for degree in 2...count {
                    let n = Double(degree)
                    (last, value) = (value, ((2 * n - 1) * x * value - (n - 1) * last) / n)
                }
                slope = Double(count) * (x * value - last) / (x * x - 1)
                x -= value / slope
            }
            return ((x + 1) / 2, 1 / ((1 - x * x) * slope * slope))
        }
    }
}
