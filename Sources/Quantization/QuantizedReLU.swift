// SPDX-License-Identifier: GPL-3.0-or-later

/// The coarse derivative of the quantized ReLU in its input `x`: what the backward pass uses in place of the almost
/// everywhere derivative, which is 0. With `b` bits, step size `α` and `L = 2^b − 1` (METHOD.md part 1):
public enum CoarseInputDerivative: String, Codable, CaseIterable, Sendable {
    /// 1 on `0 < x ≤ Lα`, else 0; the default.
    case clippedReLU = "clipped-relu"
    /// 1 on `x > 0`, else 0.
    case relu
    /// 1 everywhere.
    case identity
}

/// The coarse derivative of the quantized ReLU in its step size `α`: 0 on `x ≤ 0`, `L = 2^b − 1` on `x > Lα`, and
/// on `0 < x ≤ Lα` the value given at each case (METHOD.md part 1).
public enum CoarseStepSizeDerivative: String, Codable, CaseIterable, Sendable {
    /// `2^(b−1)`, the mean of 1 … L: the paper's proposal and the default.
    case threeValued = "three-valued"
    /// The level `k` on `((k−1)α, kα]`: the exact derivative almost everywhere.
    case almostEverywhere = "almost-everywhere"
    /// 0 (PACT's).
    case twoValued = "two-valued"
    /// 1; only in the authors' code.
    case minimum
}

/// The quantized ReLU `σ(x, α) = α · clamp(ceil(x/α), 0, L)`, `L = 2^b − 1`, and its coarse derivatives
/// (paper, section 2; METHOD.md part 1). The step size `α` is the protocol's step size. This file is the scalar reference;
/// `FastQuantizedReLU.swift` equals it bit for bit.
///
/// Conventions:
/// - `x/α` is one IEEE division in `Float`, rounded to nearest, and every region below is decided by it: level `k`
///   is `k−1 < x/α ≤ k`, so `x = kα` has level `k` (a tie goes down), and `x` is saturated when `x/α > L`. Only an
///   `x` within half a unit in the last place of a boundary can differ from exact arithmetic.
/// - Positive `x` has level 1 or more, also where `x/α` underflows to 0. `−0` counts as 0; +∞ has level `L`.
/// - NaN in `x`: the output is NaN, so that the loss shows it; its level and coarse derivatives are 0
///   (the identity's stays 1).
/// - A step size that is not finite and positive has no levels: outputs and coarse derivatives are NaN, levels 0
///   (`isUsable(stepSize:)`).
public struct QuantizedReLU: ActivationQuantizer, Equatable {
    /// `b`, 1 … 8. (32 activation bits are a plain ReLU: no quantizer.)
    public let bits: Int
    public let inputDerivative: CoarseInputDerivative
    public let stepSizeDerivative: CoarseStepSizeDerivative

    /// - Throws: `QuantizationError.bits` unless `bits` is 1 … 8.
    public init(
        bits: Int, inputDerivative: CoarseInputDerivative = .clippedReLU,
        stepSizeDerivative: CoarseStepSizeDerivative = .threeValued
    ) throws {
        guard (1...8).contains(bits) else { throw QuantizationError.bits(bits, of: "activation bits", allowed: 1...8) }
        self.bits = bits
        self.inputDerivative = inputDerivative
        self.stepSizeDerivative = stepSizeDerivative
    }

    /// `L = 2^b − 1`.
    public var qmax: Int { (1 << bits) - 1 }

    public var grid: ClosedRange<Int> { 0...qmax }
    public var name: String { "quantized-relu-\(bits)-\(inputDerivative.rawValue)-\(stepSizeDerivative.rawValue)" }
    public var rounding: FloatingPointRoundingRule? { .up }

    /// `clamp(ceil(x/α), 0, L)`.
    public func level(_ x: Float, stepSize: Float) -> Int {
        guard x > 0, isUsable(stepSize: stepSize) else { return 0 }
        return Int(min(max((x / stepSize).rounded(.up), 1), Float(qmax)))
    }

    private func isSaturated(_ x: Float, _ stepSize: Float) -> Bool { x > 0 && x / stepSize > Float(qmax) }

    /// The coarse derivative in `x`: 0 or 1.
    public func inputDerivative(_ x: Float, stepSize: Float) -> Float {
        guard isUsable(stepSize: stepSize) else { return .nan }
        switch inputDerivative {
        case .clippedReLU: return x > 0 && !isSaturated(x, stepSize) ? 1 : 0
        case .relu: return x > 0 ? 1 : 0
        case .identity: return 1
        }
    }

    /// The coarse derivative in `α`: an integer 0 … L.
    public func stepSizeDerivative(_ x: Float, stepSize: Float) -> Float {
        guard isUsable(stepSize: stepSize) else { return .nan }
        guard x > 0 else { return 0 }
        if isSaturated(x, stepSize) { return Float(qmax) }
        return insideDerivative ?? Float(level(x, stepSize: stepSize))
    }

    /// The constant on `0 < x ≤ Lα`, nil where it is the level.
    var insideDerivative: Float? {
        switch stepSizeDerivative {
        case .threeValued: Float(1 << (bits - 1))
        case .almostEverywhere: nil
        case .twoValued: 0
        case .minimum: 1
        }
    }
}
