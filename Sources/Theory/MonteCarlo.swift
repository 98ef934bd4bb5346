// SPDX-License-Identifier: GPL-3.0-or-later
import CMonteCarlo
import Collectives
import Foundation
import Statistics

/// Monte Carlo estimators of the model's loss and gradients that use none of its closed forms (METHOD.md items 4 and 9).
///
/// One fused pass draws Z (m×n Gaussian entries a sample, Philox4x32-10, f32) and accumulates, in double, every
/// statistic's block means and their covariance; no array grows with the number of samples. Sample s of experiment e is
/// a pure function of (seed, e, s), and sums are made of fixed chunks in order: results do not depend on the number of threads or ranks.
public struct MonteCarlo: Sendable {
    public let seed: UInt64
    public let threads: Int
    /// The processes that share each pass.
    private let collective: any Collective
    /// Samples averaged to one (nearly normal) observation of the tests.
    public static let blockSize = 256

    public init(seed: UInt64, threads: Int, collective: any Collective = Alone()) {
        precondition(threads > 0)
        (self.seed, self.threads, self.collective) = (seed, threads, collective)
    }

    /// Estimates from `samples` samples (rounded up to whole blocks, at least two), starting at block `firstBlock`.
    /// - Throws: `StatisticsError` when memory is short.
    public func estimate(
        _ point: TwoLayerPoint, samples: Int, experiment: UInt32, firstBlock: Int = 0, law: RowLaw = .gaussian
    ) throws -> Estimates {
        precondition(samples > 0 && firstBlock >= 0)
        let blocks = max(2, (samples + Self.blockSize - 1) / Self.blockSize)
        let range = ck_sample_range(
            seed: seed, experiment: experiment, first_sample: UInt64(firstBlock) * UInt64(Self.blockSize))
        return Estimates(point: point, blocks: try moments(point, Variant(law: law), range, blocks: blocks))
    }

    /// The b-bit model's estimates.
    package func estimate(_ place: LevelPoint, samples: Int, experiment: UInt32) throws -> LevelEstimates {
        let blocks = max(2, (samples + Self.blockSize - 1) / Self.blockSize)
        let variant = Variant(levels: Int32((1 << place.bits) - 1), alpha: place.alpha, alphaStar: place.alphaStar)
        let range = ck_sample_range(seed: seed, experiment: experiment, first_sample: 0)
        return LevelEstimates(place: place, blocks: try moments(place.point, variant, range, blocks: blocks))
    }

    private func moments(_ point: TwoLayerPoint, _ variant: Variant, _ range: ck_sample_range, blocks: Int) throws -> SampleMoments {
        let d = ck_monte_carlo_dimension(Int32(point.m), Int32(point.n), variant.levels)
        let (sums, products) = try pass(point, variant, range, blocks: blocks, blockSize: Self.blockSize, withProducts: true)
        let k = Double(blocks), mean = sums.map { $0 / k }
        let covariance = Matrix(rows: d, columns: d) { i, j in
            (products[max(i, j) * d + min(i, j)] - k * mean[i] * mean[j]) / (k - 1)
        }
        return SampleMoments(count: blocks, mean: mean, covariance: covariance)
    }

    /// What a pass may change of part 3's model.
    private struct Variant {
        var law = RowLaw.gaussian
        /// 0 for σ = 1{x > 0}, else K.
        var levels: Int32 = 0
        var alpha = 1.0
        var alphaStar = 1.0
    }

    /// Samples that the pass treats at a time.
    package static let lanes = Int(CK_MONTE_CARLO_LANES)

    /// The mean over one mini-batch of `size` samples (a multiple of 16): `(∂f/∂v, g)` with the ReLU proxy and the others.
    package func batch(_ point: TwoLayerPoint, size: Int, experiment: UInt32, index: Int) throws -> Estimates.Means {
        precondition(size > 0 && size % Int(CK_MONTE_CARLO_LANES) == 0)
        let range = ck_sample_range(seed: seed, experiment: experiment, first_sample: UInt64(index) * UInt64(size))
        return Estimates.Means(try pass(point, Variant(), range, blocks: 1, blockSize: size, withProducts: false).sums, point: point)
    }

    private func pass(
        _ point: TwoLayerPoint, _ variant: Variant, _ range: ck_sample_range, blocks: Int, blockSize: Int, withProducts: Bool
    ) throws -> (sums: [Double], products: [Double]) {
        let d = ck_monte_carlo_dimension(Int32(point.m), Int32(point.n), variant.levels), chunks = ck_monte_carlo_chunks(blocks)
        // A row for each chunk of this rank; the last ranks may have fewer chunks.
        let most = (chunks + collective.ranks - 1) / collective.ranks,
            own = (collective.rank * most..<(collective.rank + 1) * most).clamped(to: 0..<chunks)
        var sums = [Double](repeating: 0, count: most * d), products = [Double](repeating: 0, count: withProducts ? most * d * d : 0)
        // Rounding the weights to f32 moves a result by a relative 1e-7 at most.
        let (v, vStar, w, wStar) = (
            point.v.map(Float.init), point.vStar.map(Float.init), point.w.map(Float.init), point.wStar.map(Float.init)
        )
        let status = v.withUnsafeBufferPointer { v in
            vStar.withUnsafeBufferPointer { vStar in
                w.withUnsafeBufferPointer { w in
                    wStar.withUnsafeBufferPointer { wStar in
                        var model = ck_two_layer_model(
                            m: Int32(v.count), n: Int32(w.count), v: v.baseAddress, v_star: vStar.baseAddress,
                            w: w.baseAddress, w_star: wStar.baseAddress, levels: variant.levels, alpha: Float(variant.alpha),
                            alpha_star: Float(variant.alphaStar), law: variant.law.kernelLaw, freedom: Int32(RowLaw.freedom))
                        return products.withUnsafeMutableBufferPointer { products in
                            ck_monte_carlo_part(
                                &model, range, blocks, blockSize, own.lowerBound, own.upperBound, Int32(threads), &sums,
                                withProducts ? products.baseAddress : nil)
                        }
                    }
                }
            }
        }
        guard status == 0 else {
            throw StatisticsError("no memory for a Monte Carlo pass with m = \(point.m), n = \(point.n): use smaller --dimensions")
        }
        func added(_ rows: [Double], _ width: Int) -> [Double] {
            (0..<chunks).reduce(into: [Double](repeating: 0, count: width)) { total, chunk in
                for k in 0..<width { total[k] += rows[chunk * width + k] }
            }
        }
        return (added(try collective.gather(sums), d), withProducts ? added(try collective.gather(products), d * d) : [])
    }

    /// The Gaussian entries of the first samples, `samples` (a multiple of 16) × `entries`.
    /// - Throws: `StatisticsError` when memory is short.
    public func normals(samples: Int, entries: Int, experiment: UInt32) throws -> [Float] {
        precondition(samples % Int(CK_MONTE_CARLO_LANES) == 0)
        var out = [Float](repeating: 0, count: samples * entries)
        let range = ck_sample_range(seed: seed, experiment: experiment, first_sample: 0)
        guard ck_monte_carlo_normals(range, samples, entries, &out) == 0 else {
            throw StatisticsError("no memory for \(entries) random numbers a sample")
        }
        return out
    }

    /// A pass of the b-bit model with ‖v‖, ‖w‖ of order one and α = α*, for its time.
    public func levelPass(_ point: TwoLayerPoint, bits: Int, alpha: Double, samples: Int) throws {
        _ = try estimate(LevelPoint(point: point, bits: bits, alpha: alpha, alphaStar: alpha), samples: samples, experiment: 0)
    }

    /// Draws the numbers of a pass and uses only their sum, which it returns: the time of generation alone.
    public func generationOnly(samples: Int, entries: Int) -> Double {
        ck_monte_carlo_generation_only(
            ck_sample_range(seed: seed, experiment: 0, first_sample: 0), samples, entries, Int32(threads))
    }
}

/// What one pass at a point measured.
public struct Estimates: Sendable {
    public let point: TwoLayerPoint
    /// Moments of the block means of the kernel's statistics: loss, ∂f/∂v, then Zᵀc of the three proxies and of the kinks.
    package let blocks: SampleMoments
    public var samples: Int { blocks.count * MonteCarlo.blockSize }

    /// Mean and block covariance of a measured loss or gradient (not of a correlation, which takes two passes).
    public func moments(_ quantity: Quantity) -> SampleMoments {
        let (m, n) = (point.m, point.n)
        func part(_ k: Int) -> SampleMoments { blocks[(1 + m + k * n)..<(1 + m + (k + 1) * n)] }
        switch quantity {
        case .loss: return blocks[0..<1]
        case .gradientV: return blocks[1..<(1 + m)]
        case .coarseReLU: return part(0)
        case .coarseClipped: return part(1)
        case .coarseIdentity: return part(2)
        case .gradientW: return part(3).mapped(by: Self.kinkProjection(point))
        case .correlationReLU, .correlationClipped, .correlationIdentity:
            preconditionFailure("a correlation is measured by two independent passes: measuredCorrelation")
        }
    }

    /// Item 9: `P/(√(2π)‖w‖)`, which turns the kinks' `Σ_i Z_i c_i` into ∂f/∂w.
    package static func kinkProjection(_ point: TwoLayerPoint) -> Matrix {
        let scale = 1 / ((2 * Double.pi).squareRoot() * point.normW)
        return Matrix(rows: point.n, columns: point.n) { scale * (($0 == $1 ? 1 : 0) - point.u[$0] * point.u[$1]) }
    }

    /// Both passes together.
    public func merged(_ other: Estimates) -> Estimates {
        let (a, b) = (blocks, other.blocks)
        let (na, nb) = (Double(a.count), Double(b.count)), total = na + nb
        let mean = zip(a.mean, b.mean).map { (na * $0 + nb * $1) / total }
        let covariance = Matrix(rows: a.dimension, columns: a.dimension) { i, j in
            let between = na * nb / total * (a.mean[i] - b.mean[i]) * (a.mean[j] - b.mean[j])
            return ((na - 1) * a.covariance[i, j] + (nb - 1) * b.covariance[i, j] + between) / (total - 1)
        }
        return Estimates(point: point, blocks: SampleMoments(count: a.count + b.count, mean: mean, covariance: covariance))
    }

    /// The means of a mini-batch that descent uses.
    package struct Means {
        let gradientV: [Double]
        private let coarse: [[Double]]

        init(_ sums: [Double], point: TwoLayerPoint) {
            gradientV = Array(sums[1...point.m])
            coarse = (0..<3).map { Array(sums[(1 + point.m + $0 * point.n)..<(1 + point.m + ($0 + 1) * point.n)]) }
        }

        func coarse(_ proxy: Proxy) -> [Double] { coarse[Proxy.allCases.firstIndex(of: proxy)!] }
    }
}

/// `⟨E g, ∂f/∂w⟩` from two independent passes, one factor from each, so that the product is unbiased.
///
/// Variance `gᵀS_d g + dᵀS_g d` at the measured means, with the covariances S of the two mean vectors. Its mean is `tr(S_g S_d)` above
/// the product's variance: subtracting that would be unbiased, but next to or below 0 where the product vanishes, and any difference would
/// then be beyond all doubt. So a standard error is too long rather than too short, and tests keep their level.
public func measuredCorrelation(_ proxy: Proxy, gradientFrom first: Estimates, trueFrom second: Estimates) -> (
    value: Double, standardError: Double
) {
    let g = first.moments(proxy.coarse), d = second.moments(.gradientW)
    let (kg, kd) = (Double(g.count), Double(d.count))
    let variance = dot(g.mean, d.covariance * g.mean) / kd + dot(d.mean, g.covariance * d.mean) / kg
    return (dot(g.mean, d.mean), max(variance, 0).squareRoot())
}

/// The proxies μ of the coarse gradient.
public enum Proxy: String, CaseIterable, Sendable {
    case relu = "ReLU"
    case clipped = "clipped ReLU"
    case identity = "identity"

    public var coarse: Quantity {
        switch self {
        case .relu: .coarseReLU
        case .clipped: .coarseClipped
        case .identity: .coarseIdentity
        }
    }

    public var correlation: Quantity {
        switch self {
        case .relu: .correlationReLU
        case .clipped: .correlationClipped
        case .identity: .correlationIdentity
        }
    }
}

/// n−1 orthonormal rows that are orthogonal to the unit vector `u` (a Householder reflection's): coordinates in which
/// ∂f/∂w, which has no component along u, has a regular covariance.
package func tangentCoordinates(_ u: [Double]) -> Matrix {
    let sign = u[0] >= 0 ? 1.0 : -1.0
    var reflector = u
    reflector[0] += sign
    let square = dot(reflector, reflector)
    return Matrix(rows: u.count - 1, columns: u.count) { i, j in
        (i + 1 == j ? 1 : 0) - 2 * reflector[i + 1] * reflector[j] / square
    }
}
