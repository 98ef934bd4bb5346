// SPDX-License-Identifier: GPL-3.0-or-later
import CMonteCarlo
import Foundation
import Statistics

/// Laws of Z's rows that rotations leave as they are (Yin et al. ICLR 2019, remark 2; Theory.md A9). R is a row's length.
public enum RowLaw: String, CaseIterable, Sendable {
    case gaussian = "N(0, I)"
    case student = "Student t₅"
    case sphere = "sphere of radius √n"
    /// One radius for all rows: they are not independent, their directions are.
    case studentCommon = "Student t₅, common radius"

    /// ν of Student's t.
    package static let freedom = 5

    /// `E R/E χ_n`: of the ReLU's and the identity's coarse gradient.
    package func radiusFactor(_ n: Int) -> Double {
        let size = Double(n), freedom = Double(Self.freedom)
        switch self {
        case .gaussian: return 1
        case .student, .studentCommon: return (freedom / 2).squareRoot() * exp(lgamma((freedom - 1) / 2) - lgamma(freedom / 2))
        case .sphere: return (size / 2).squareRoot() * exp(lgamma(size / 2) - lgamma((size + 1) / 2))
        }
    }

    /// `E[ρ 1{ρ ≤ x}] = ∫₀ˣ P(ρ > y) dy − x P(ρ > x)`, ρ the length of a row's projection on a plane: ξ(x) for N(0, I);
    /// `P(ρ > x) = (1 + x²/ν)^{−ν/2}` for t_ν, `(1 − x²/n)^{(n−2)/2}` on the sphere.
    package func planeRadius(below x: Double, n: Int) throws -> Double {
        let size = Double(n), freedom = Double(Self.freedom)
        switch self {
        case .gaussian:
            let end = min(x, 40)
            return (Double.pi / 2).squareRoot() * erf(end / 2.0.squareRoot()) - end * exp(-end * end / 2)
        case .student, .studentCommon:
            // y = √ν tan τ: the integral of cos³ τ for ν = 5.
            let sine = sin(atan(x / freedom.squareRoot())), end = min(x, 1e12)
            return freedom.squareRoot() * (sine - sine * sine * sine / 3) - end * pow(1 + end * end / freedom, -freedom / 2)
        case .sphere:
            // y = √n sin τ.
            let end = min(x, size.squareRoot()), share = end / size.squareRoot()
            let area = try integrate(from: 0, to: asin(share)) { size.squareRoot() * pow(cos($0), size - 1) }
            return area - end * pow(1 - share * share, size / 2 - 1)
        }
    }

    /// p, q and p₀ of the clipped ReLU, item 4's integrals with `planeRadius` in the place of ξ.
    /// - Throws: `StatisticsError` when quadrature fails.
    package func moments(theta: Double, normW: Double, n: Int) throws -> (p: Double, q: Double, p0: Double) {
        var failure: (any Error)?
        func integral(from start: Double, _ weight: (Double) -> Double) throws -> Double {
            let value = try integrate(from: start, to: .pi / 2, relative: 1e-9, absolute: 1e-12) { angle in
                do { return weight(angle) * (try planeRadius(below: 1 / (cos(angle) * normW), n: n)) / (2 * .pi) } catch {
                    failure = error
                    return .nan
                }
            }
            if let failure { throw failure }
            return value
        }
        return (try integral(from: -.pi / 2 + theta, cos), try integral(from: abs(.pi / 2 - theta), sin), try integral(from: -.pi / 2, cos))
    }

    package var kernelLaw: ck_row_law {
        switch self {
        case .gaussian: CK_ROWS_GAUSSIAN
        case .student: CK_ROWS_STUDENT
        case .sphere: CK_ROWS_SPHERE
        case .studentCommon: CK_ROWS_STUDENT_COMMON
        }
    }
}

/// The theory under another law of the rows: f and its gradients stay, the coarse gradients change.
public struct RowLawFormulas: Sendable {
    package var radiusFactor: @Sendable (RowLaw, _ n: Int) -> Double = { $0.radiusFactor($1) }
    package var moments: @Sendable (RowLaw, TwoLayerPoint) throws -> (p: Double, q: Double, p0: Double) = {
        try $0.moments(theta: $1.theta, normW: $1.normW, n: $1.n)
    }

    package func value(_ quantity: Quantity, at point: TwoLayerPoint, law: RowLaw, _ formulas: Formulas) throws -> [Double] {
        switch quantity {
        case .coarseReLU, .coarseIdentity: return scaled(formulas.value(quantity, at: point), by: radiusFactor(law, point.n))
        case .coarseClipped:
            let (p, q, p0) = try moments(law, point)
            return added(scaled(point.u, by: p0 * point.h / 2 - point.overlap * p), -point.overlap * q, point.tangent)
        default: return formulas.value(quantity, at: point)
        }
    }
}
