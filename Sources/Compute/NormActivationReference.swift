// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Batch norm, residual addition and activation in one go, forward and back, as their definitions read: what the fused kernels
/// (`Sources/CKernels/norm/norm_activation.c`) are tested against. Maps are `[rows, channels]`.
///
///     t[i, c] = a[c]·acc[i, c] + b[c] + step·shortcut[i, c]        result = clamp(⌈t⌉, 0, qmax),  max(t, 0)  or  t
///
/// `acc` are a convolution's results, `t` what the activation is applied to in units of its step size α (METHOD.md part 1).
public struct NormActivationReference {
    public enum Activation: CaseIterable, Sendable { case quantizedReLU, relu, identity }

    public var channels: Int
    /// `[rows, channels]`; the shortcut may be absent.
    public var acc: [Float], shortcut: [Float]?
    /// `[channels]`.
    public var a, b: [Float]
    public var step, qmax: Float
    public var activation: Activation

    public init(
        channels: Int, acc: [Float], shortcut: [Float]?, a: [Float], b: [Float], step: Float, qmax: Float, activation: Activation
    ) {
        (self.channels, self.acc, self.shortcut, self.a, self.b) = (channels, acc, shortcut, a, b)
        (self.step, self.qmax, self.activation) = (step, qmax, activation)
    }

    /// `t` at place `i` of the maps, by multiply-adds of one rounding.
    public func t(_ i: Int) -> Float {
        let normed = b[i % channels].addingProduct(a[i % channels], acc[i])
        return shortcut.map { normed.addingProduct(step, $0[i]) } ?? normed
    }

    /// The result at place `i`; a NaN passes, so that divergence shows.
    public func result(_ i: Int) -> Float {
        let t = t(i)
        switch activation {
        case .identity: return t
        case .relu: return t <= 0 ? 0 : t
        case .quantizedReLU: return t.isNaN ? t : min(max(t.rounded(.up), 0), qmax)
        }
    }

    /// Mean and biased variance of each channel of `acc`.
    public func statistics() -> (mean: [Double], variance: [Double]) {
        let columns = (0..<channels).map { c in stride(from: c, to: acc.count, by: channels).map { Double(acc[$0]) } }
        let mean = columns.map { $0.reduce(0, +) / Double($0.count) }
        return (mean, zip(columns, mean).map { column, mean in column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(column.count) })
    }

    /// The coarse derivatives at place `i`: in `z = α·t`, and in α where the activation has one (its straight-through estimator,
    /// METHOD.md part 1).
    public func derivatives(_ i: Int, _ rule: ck_coarse_derivatives) -> (z: Float, stepSize: Float) {
        let t = t(i), isSaturated = t > qmax
        switch activation {
        case .identity: return (1, 0)
        case .relu: return (t > 0 ? 1 : 0, 0)
        case .quantizedReLU:
            let isZero = rule.relu != 0 && !(t > 0) || rule.clip != 0 && isSaturated
            let slope = isSaturated ? qmax : rule.exact != 0 ? max(t.rounded(.up), 1) : rule.inside
            return (isZero ? 0 : 1, t > 0 ? slope : 0)
        }
    }
}
