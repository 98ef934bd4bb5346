// SPDX-License-Identifier: GPL-3.0-or-later
import Theory
import Foundation
import Parallelism
import Statistics
import Testing

/// The b-bit closed forms against quadrature, and the vectorised pass against its definitions.
@Suite struct BitsTests {
    private static let angles = [1e-3, 0.02, 0.1, 0.5, 1, 1.5707, 2, 3, 3.12, .pi - 1e-3]

    /// `P(X > h, Y > k) = ∫_h φ(x) Φ((γx − k)/sin θ) dx`, cut where the integrand has its step; absolute error 1e-14 a piece.
    @Test(arguments: angles) func orthantsAreTheirIntegrals(theta: Double) throws {
        var stream = Philox(seed: 1, stream: 1)
        for trial in 0..<40 {
            let h = trial == 0 ? 0 : 4 * stream.uniform(), k = trial % 4 == 1 ? h : trial == 2 ? 0 : 4 * stream.uniform()
            let width = 40 * sin(theta), step = k / cos(theta)
            let cuts = [h, step - width, step, step + width, h + 12].map { min(max($0, h), h + 12) }
            let expected = try zip(cuts, cuts.dropFirst()).reduce(0) { sum, piece in
                guard piece.1 > piece.0 else { return sum }
                return sum
                    + (try integrate(from: piece.0, to: piece.1, relative: 1e-12, absolute: 1e-14) {
                        normalDensity($0) * normalCumulative((cos(theta) * $0 - k) / sin(theta))
                    })
            }
            #expect(abs(upperOrthant(h, k, theta: theta) - expected) < 1e-13, "h = \(h), k = \(k)")
        }
    }

    /// The same by another exact route: Φ(−h)Φ(−k) and 48-point Gauss–Legendre in the angle, graded by a square; good from 0.1 to 3.
    @Test(arguments: [0.1, 0.4, 1, 2, 3]) func orthantsAreThoseOfTheAngle(theta: Double) {
        for h in [0.0, 0.3, 1, 2.5, 4] {
            for k in [0.0, 0.7, 1, 3.3] {
                let length = Double.pi / 2 - theta
                let integral = GaussLegendre.points.reduce(0) { sum, node in
                    let t = theta + length * node.x * node.x, sine = sin(t)
                    return sum + 2 * length * node.x * node.weight * exp(-(h * h - 2 * h * k * cos(t) + k * k) / (2 * sine * sine))
                }
                #expect(abs(upperOrthant(h, k, theta: theta) - normalCumulative(-h) * normalCumulative(-k) - integral / (2 * .pi)) < 2e-15)
            }
        }
    }

    /// Owen's special values (Ann. Math. Statist. 27, 1956): T(0, a) = atan(a)/2π, T(h, 1) = ½Φ(h)Φ(−h), T(h, ∞) = ½Φ(−h).
    @Test func owensSpecialValues() {
        for x in [0.2, 0.9, 1.7, 30] { #expect(abs(owensT(0, x) - atan(x) / (2 * .pi)) < 1e-16) }
        for h in [0.0, 0.5, 2, 6] {
            #expect(abs(owensT(h, 1) - normalCumulative(h) * normalCumulative(-h) / 2) < 1e-16)
            #expect(abs(owensT(h, .infinity) - normalCumulative(-h) / 2) < 1e-16 && owensT(h, -0.4) == -owensT(h, 0.4))
        }
        #expect(abs(GaussLegendre.points.reduce(0) { $0 + $1.weight * pow($1.x, 95) } - 1.0 / 96) < 1e-15)  // exact to degree 95
    }

    /// The explicit counterexamples, values derived and printed to two or three digits before this code was written.
    @Test func explicitPoints() {
        let moments = LevelMoments(bits: 4, alpha: 0.13, normW: 1, theta: 0.2, alphaStar: 0.1), cross = moments.cross
        let v = cross / moments.square
        #expect(abs(v - 0.888838) < 1e-6)
        let forms = LevelForms(moments, v: [v], vStar: [1], cross: cross)
        #expect(abs(forms.slope(.stepSize) - 0.0887) < 5e-5 && abs(forms.coarse(.threeValued) + 0.0480) < 5e-5)
        #expect(abs(forms.coarse(.twoValued) - 0.080) < 5e-4 && abs(forms.coarse(.minimum) - 0.064) < 5e-4)
        #expect(abs(forms.coarse(.almostEverywhere)) < 1e-15)
        let two = LevelForms(
            LevelMoments(bits: 2, alpha: 1, normW: 1, theta: .pi / 3, alphaStar: 1), v: [2, 1], vStar: [-5.658089, 11.316178])
        #expect(abs(two.coarse(.clipped).radial + 0.0797) < 5e-5 && abs(two.slope(.length) - 0.0707) < 5e-5)
        #expect(abs(two.coarse(.clipped).turn) < 1e-15)
    }

    /// The whole b-bit pass against its definitions in double, row by row and kink by kink, on every instruction set. The same
    /// numbers, so only f32 rounding and rare flips at a threshold differ: a flip moves a mean over 1024 samples by 0.1 % of a sample.
    @Test(arguments: [1, 2, 4], InstructionSet.available) func levelEstimatorsAreTheDefinitions(bits: Int, set: InstructionSet) throws {
        let (m, n, samples) = (3, 5, 1024), point = randomPoint(m: m, n: n, theta: 1.1, length: 0.8, seed: 9)
        let place = LevelPoint(point: point, bits: bits, alpha: 0.9 / Double(1 << bits), alphaStar: 1.1 / Double(1 << bits))
        let estimates = try set.limit { try MonteCarlo(seed: 4, threads: 1).estimate(place, samples: samples, experiment: 5) }
        let reference = levelReference(place, samples: samples, seed: 4, experiment: 5)
        for quantity in LevelQuantity.all {
            let expected = try #require(reference[quantity])
            #expect(
                distance(estimates.moments(quantity).mean, expected) < 1e-5 * (1 + dot(expected, expected).squareRoot()), "\(quantity.name)"
            )
        }
    }

    /// Rows of other laws against their definition, likewise.
    @Test(arguments: RowLaw.allCases, InstructionSet.available) func rowsHaveTheirLaw(law: RowLaw, set: InstructionSet) throws {
        let (m, n, samples) = (3, 5, 1024), point = randomPoint(m: m, n: n, theta: 1.1, length: 0.8, seed: 9)
        let estimates = try set.limit { try MonteCarlo(seed: 4, threads: 1).estimate(point, samples: samples, experiment: 6, law: law) }
        var relu = [Double](repeating: 0, count: n), clipped = relu
        for sample in 0..<samples {
            let radii = law == .student ? m : law == .studentCommon ? 1 : 0
            let z = referenceNormals(seed: 4, experiment: 6, sample: sample, entries: m * n + 5 * radii)
            let rows = (0..<m).map { i -> [Double] in
                let row = Array(z[(i * n)..<((i + 1) * n)])
                let own = radii == 0 ? [] : Array(z[(m * n + 5 * (i % radii))..<(m * n + 5 * (i % radii) + 5)])
                let square = law == .gaussian ? 1 : law == .sphere ? Double(n) / dot(row, row) : 5 / dot(own, own)
                let scale = square.squareRoot()
                return row.map { scale * $0 }
            }
            let a = rows.map { dot($0, point.w) }
            let r = (0..<m).reduce(0) { $0 + (a[$1] > 0 ? point.v[$1] : 0) - (dot(rows[$1], point.wStar) > 0 ? point.vStar[$1] : 0) }
            for i in 0..<m where a[i] > 0 {
                for j in 0..<n {
                    relu[j] += point.v[i] * r * rows[i][j] / Double(samples)
                    if a[i] < 1 { clipped[j] += point.v[i] * r * rows[i][j] / Double(samples) }
                }
            }
        }
        #expect(distance(estimates.moments(.coarseReLU).mean, relu) < 1e-5)
        #expect(distance(estimates.moments(.coarseClipped).mean, clipped) < 1e-5)
    }

    /// The normal law's planeRadius is ξ; every law's tends to E ρ.
    @Test func planeRadii() throws {
        for x in [0.1, 1, 3, 50] { #expect(abs(try RowLaw.gaussian.planeRadius(below: x, n: 5) - ClippedIntegrals.xi(x)) < 1e-12) }
        // E ρ = E R · E(length of a plane projection of a unit vector in R⁵) = E R · (π/2)^{1/2}/E χ₅.
        for law in RowLaw.allCases {
            #expect(abs(try law.planeRadius(below: 1e9, n: 5) - (Double.pi / 2).squareRoot() * law.radiusFactor(5)) < 1e-9)
        }
    }
}

/// Every quantity of the b-bit model by its definition, in double; the true gradients by conditioning on the kinks, written out.
private func levelReference(_ place: LevelPoint, samples: Int, seed: UInt64, experiment: UInt32) -> [LevelQuantity: [Double]] {
    let point = place.point, (m, n) = (point.m, point.n), top = Double((1 << place.bits) - 1)
    var sums: [LevelQuantity: [Double]] = [:]
    func add(_ quantity: LevelQuantity, _ x: [Double]) {
        sums[quantity] = zip(sums[quantity] ?? x.map { _ in 0 }, x).map { $0 + $1 / Double(samples) }
    }
    func code(_ x: Double, _ alpha: Double) -> Double { min(max((x / alpha).rounded(.up), 0), top) }
    for sample in 0..<samples {
        let z = referenceNormals(seed: seed, experiment: experiment, sample: sample, entries: m * n)
        let rows = (0..<m).map { Array(z[($0 * n)..<(($0 + 1) * n)]) }
        let a = rows.map { dot($0, point.w) }, b = rows.map { dot($0, point.wStar) }
        let own = a.map { code($0, place.alpha) }, target = b.map { place.alphaStar * code($0, place.alphaStar) }
        let r = (0..<m).reduce(0) { $0 + point.v[$1] * place.alpha * own[$1] - point.vStar[$1] * target[$1] }
        add(.loss, [r * r / 2])
        add(.gradientV, own.map { place.alpha * $0 * r })
        func gathered(_ c: (Int) -> Double) -> [Double] { (0..<n).map { j in (0..<m).reduce(0) { $0 + rows[$1][j] * c($1) } } }
        func total(_ c: (Int) -> Double) -> [Double] { [(0..<m).reduce(0) { $0 + point.v[$1] * r * c($1) }] }
        let middle = a.map { $0 > 0 && $0 <= top * place.alpha ? 1.0 : 0 }, above = a.map { $0 > top * place.alpha ? top : 0 }
        add(.coarse(.relu), gathered { a[$0] > 0 ? point.v[$0] * r : 0 })
        add(.coarse(.clipped), gathered { middle[$0] * point.v[$0] * r })
        add(.coarse(.identity), gathered { point.v[$0] * r })
        add(.coarseAlpha(.almostEverywhere), total { own[$0] })
        add(.coarseAlpha(.learnedStep), total { own[$0] - middle[$0] * a[$0] / place.alpha })
        for (rule, low) in [(StepSizeRule.threeValued, Double(1 << (place.bits - 1))), (.twoValued, 0), (.minimum, 1), (.half, 0.5)] {
            add(.coarseAlpha(rule), total { low * middle[$0] + above[$0] })
        }
        // Row i on each kink: its part along u set to kα/‖w‖, σ_i the mean of (k and k+1)α there.
        var gradient = [Double](repeating: 0, count: n), stepSize = total { own[$0] }[0]
        for i in 0..<m {
            let across = zip(rows[i], point.u).map { $0 - a[i] / point.normW * $1 }
            let rest = r - point.v[i] * place.alpha * own[i] + point.vStar[i] * target[i]
            for k in 0..<Int(top) {
                let t = Double(k) * place.alpha / point.normW, row = zip(across, point.u).map { $0 + t * $1 }
                let there =
                    rest + point.v[i] * place.alpha * (Double(k) + 0.5)
                    - point.vStar[i] * place.alphaStar * code(dot(row, point.wStar), place.alphaStar)
                let jump = point.v[i] * place.alpha / point.normW * normalDensity(t) * there
                for j in 0..<n { gradient[j] += jump * row[j] }
                stepSize -= Double(k) * jump
            }
        }
        add(.gradientW, gradient)
        add(.gradientAlpha, [stepSize])
    }
    return sums
}
