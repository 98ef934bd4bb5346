// SPDX-License-Identifier: GPL-3.0-or-later

/// How 2 bits are projected: `exact` is the Euclidean projection; `authors` is the authors' code's rule
/// (`AuthorsCodeProjections.ternary`), for their recipe only.
public enum TernaryRule: String, Codable, CaseIterable, Sendable { case exact, authors }

/// The projection of float weights `w ∈ Rⁿ` onto `{ δ·q : δ ≥ 0, qᵢ a level }` in the Euclidean norm (METHOD.md part 1):
/// the scale `δ` and the integer codes `q`.
///
/// | bits | levels | method |
/// |---|---|---|
/// | 1 | ±1 | exact: `q = sign(w)`, `δ = ‖w‖₁/n` |
/// | 2 | 0, ±1 | exact: keep the `k` largest magnitudes that maximise `(their sum)²/k`; `δ` = their mean |
/// | 3 … 8 | 0, ±1 … ±(2^(bits−1) − 1) | Lloyd's alternation from `δ = 2·max‖w‖/(2^bits − 1)`; a local optimum |
///
/// The paper's scale is one per layer: project the whole tensor. One per output channel is the projection of each channel's
/// slice: `slices` of the projecting functions.
///
/// Conventions:
/// - `sign(0) = sign(−0) = +1` in binary codes. All-zero weights: `δ = 0`, binary codes +1, other codes 0.
/// - Ternary: of equally good `k` the smallest (the sparsest codes); equal magnitudes are kept or dropped together.
/// - Lloyd rounds `w/δ` to the nearest level, halves to the even one (both neighbours are equally near).
/// - A NaN or infinite weight: `δ = NaN`, codes 0, quantized weights NaN, so that the loss shows it.
/// - `δ`, `w/δ` and quantized weights are in the weights' own precision; sums are in `Double`.
public struct WeightProjection: Equatable, Sendable {
    public let bits: Int
    /// For 3 bits and more: Lloyd stops when the codes stop changing, or after this many iterations. One iteration
    /// assigns codes and then fits `δ` to them; the authors' code does exactly one at 4 bits.
    public let maximumIterations: Int
    /// How 2 bits are projected.
    public let ternary: TernaryRule

    /// - Throws: `QuantizationError` unless `bits` is 1 … 8 and `maximumIterations` is 1 or more.
    public init(bits: Int, maximumIterations: Int = 100, ternary: TernaryRule = .exact) throws {
        guard (1...8).contains(bits) else { throw QuantizationError.bits(bits, of: "weight bits", allowed: 1...8) }
        guard maximumIterations >= 1 else { throw QuantizationError.iterations(maximumIterations) }
        self.bits = bits
        self.maximumIterations = maximumIterations
        self.ternary = ternary
    }

    /// The largest code: 1 for binary, else `2^(bits−1) − 1`.
    public var maximumCode: Int { bits == 1 ? 1 : (1 << (bits - 1)) - 1 }

    /// The readable reference in any precision (at most `Double`'s; inlinable, for callers' compilers to specialise it); `FastWeightProjection.swift` is tested against it.
    /// - Parameter w: n ≥ 1 weights.
    @inlinable
    public func referenceProject<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, codes: [Int]) {
        precondition(!w.isEmpty, "no weights to project")
        guard w.allSatisfy(\.isFinite) else { return (.nan, w.map { _ in 0 }) }
        switch bits {
        case 1: return Self.binary(w)
        case 2: return ternary == .exact ? Self.ternary(w) : AuthorsCodeProjections.referenceTernary(w)
        default: return lloyd(w)
        }
    }

    /// Each of `slices` equal parts of the weights projected by itself.
    /// - Parameter w: n weights, n a multiple of `slices`.
    @inlinable
    public func referenceProject<T: BinaryFloatingPoint>(_ w: [T], slices: Int) -> (scales: [T], codes: [Int]) {
        precondition(slices >= 1 && w.count % slices == 0, "slices are of equal length")
        let (length, parts) = (w.count / slices, 0..<slices)
        let projected = parts.map { referenceProject(Array(w[$0 * length..<($0 + 1) * length])) }
        return (projected.map(\.scale), projected.flatMap(\.codes))
    }

    @inlinable
    static func binary<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, codes: [Int]) {
        let norm = w.reduce(0.0) { $0 + Double($1.magnitude) }
        return (T(norm / Double(w.count)), w.map { $0 >= 0 ? 1 : -1 })
    }

    @inlinable
    static func ternary<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, codes: [Int]) {
        let order = w.indices.sorted { w[$0].magnitude > w[$1].magnitude }
        var (sum, best, kept, scale) = (0.0, 0.0, 0, T(0))
        for (index, k) in zip(order, 1...) {
            sum += Double(w[index].magnitude)
            if sum * sum / Double(k) > best { (best, kept, scale) = (sum * sum / Double(k), k, T(sum / Double(k))) }
        }
        var codes = w.map { _ in 0 }
        for index in order.prefix(kept) { codes[index] = w[index] > 0 ? 1 : -1 }
        return (scale, codes)
    }

    @inlinable
    func lloyd<T: BinaryFloatingPoint>(_ w: [T]) -> (scale: T, codes: [Int]) {
        let top = T(maximumCode)
        var scale = lloydStart(w.reduce(0) { max($0, $1.magnitude) })
        var codes = w.map { _ in 0 }
        guard scale > 0 else { return (0, codes) }
        for _ in 0..<maximumIterations {
            codes = w.map { Int(min(max(($0 / scale).rounded(.toNearestOrEven), -top), top)) }
            let cross = zip(w, codes).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            let square = codes.reduce(0.0) { $0 + Double($1 * $1) }
            let fitted = T(cross / square)  // the largest weight never rounds to 0, so square > 0
            if fitted == scale { break }  // the codes depend on the scale alone: they would not change
            scale = fitted
        }
        return (scale, codes)
    }

    /// `2·max|w|/(2^bits − 1)`, written so that it cannot overflow.
    @inlinable
    func lloydStart<T: BinaryFloatingPoint>(_ maximum: T) -> T { maximum / (T((1 << bits) - 1) / 2) }
}
