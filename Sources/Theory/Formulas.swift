// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// The theory under test. `Formulas.theory` is METHOD.md part 3; a power check hands the same claims an altered copy
/// and must see it rejected.
public struct Formulas: Sendable {
    /// Items 1–5, by term.
    public var terms: @Sendable (TwoLayerPoint, Quantity) -> [Term]
    /// Item 6: the constants A and B.
    public var boundConstants: @Sendable (TwoLayerPoint) -> (a: Double, b: Double)
    /// Item 7: the saddle's angle, and the v with ∂f/∂v = 0 at an angle.
    public var saddleTheta: @Sendable (CriticalPoints) -> Double
    public var stationaryV: @Sendable (CriticalPoints, Double) -> [Double]
    /// Sufficient descent: the least decrease per ‖Δw_q‖², `½(ρ/η − L)`.
    public var requiredDecrease: @Sendable (_ rho: Double, _ eta: Double, _ lipschitz: Double) -> Double

    /// The papers' statements, repaired.
    public var literature = LiteratureFormulas()
    /// s²/‖v*‖² below which there is a spurious minimum, by m.
    public var threshold: @Sendable (_ m: Int) -> Double = { (Double($0) + 1) / 2 }
    /// With weight decay: the least decrease of F per ‖Δ‖².
    var decayedDecrease: @Sendable (_ decay: Decay, _ rho: Double, _ eta: Double, _ lipschitz: Double, _ lambda: Double) -> Double = {
        $0.decrease(rho: $1, eta: $2, lipschitz: $3, lambda: $4)
    }
    /// Factors on the terms that momentum and inexact projections add.
    public var momentumTerm = 1.0
    public var excessTerm = 1.0
    /// b bits and learned α.
    public var bits = BitsFormulas()
    /// Other laws of Z's rows.
    public var rows = RowLawFormulas()

    public static let theory = Formulas(
        terms: { $0.terms($1) },
        boundConstants: { $0.boundConstants },
        saddleTheta: { $0.saddleTheta },
        stationaryV: { $0.stationaryV(theta: $1) },
        requiredDecrease: { rho, eta, lipschitz in (rho / eta - lipschitz) / 2 })

    public func value(_ quantity: Quantity, at point: TwoLayerPoint) -> [Double] {
        point.sum(terms(point, quantity))
    }

    /// The theory with the coefficient of one term multiplied by `factor` (0 drops it, −1 turns its sign).
    public func scaling(_ quantity: Quantity, term: Int, by factor: Double) -> Formulas {
        var altered = self
        let terms = self.terms
        altered.terms = { point, asked in
            var list = terms(point, asked)
            if asked == quantity { list[term].coefficient *= factor }
            return list
        }
        return altered
    }

    /// The theory with p(θ,w) and q(θ,w) exchanged in one of the clipped ReLU's two formulas.
    public func exchangingPAndQ(in quantity: Quantity) -> Formulas {
        var altered = self
        let terms = self.terms
        altered.terms = { point, asked in
            guard asked == quantity else { return terms(point, asked) }
            var moments = ClippedMoments(theta: point.theta, normW: point.normW)
            (moments.p, moments.q) = (moments.q, moments.p)
            return asked == .coarseClipped ? point.coarseClippedTerms(moments) : point.correlationClippedTerms(moments)
        }
        return altered
    }
}

/// A deliberately broken formula and its name in the power report.
public struct Fault: Sendable {
    public let name: String
    public let formulas: Formulas

    init(_ name: String, _ formulas: Formulas) { (self.name, self.formulas) = (name, formulas) }

    /// A change of the theory written out.
    init(_ name: String, _ change: (inout Formulas) -> Void) {
        var formulas = Formulas.theory
        change(&formulas)
        self.init(name, formulas)
    }

    /// Every term of a formula with a factor 1.01, dropped (where the formula has others), and with the wrong sign.
    static func everyTerm(of quantity: Quantity) -> [Fault] {
        // Which terms there are depends on nothing but the quantity: any point tells.
        let example = TwoLayerPoint(v: [1, 2], vStar: [2, 1], w: [1, 0], wStar: [1, 1])
        let terms = example.terms(quantity)
        var faults: [Fault] = []
        for (index, term) in terms.enumerated() {
            let theory = Formulas.theory
            faults.append(Fault("\(term.name) × 1.01", theory.scaling(quantity, term: index, by: 1.01)))
            if terms.count > 1 { faults.append(Fault("\(term.name) dropped", theory.scaling(quantity, term: index, by: 0))) }
            faults.append(Fault("\(term.name) with the wrong sign", theory.scaling(quantity, term: index, by: -1)))
        }
        if quantity == .coarseClipped || quantity == .correlationClipped {
            faults.append(Fault("p and q exchanged", Formulas.theory.exchangingPAndQ(in: quantity)))
        }
        return faults
    }
}
