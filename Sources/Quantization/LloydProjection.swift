// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

extension WeightProjection {
    /// Projects `count` ≥ 1 weights and writes `quantized[i] = δ·qᵢ` and, if asked, the codes `qᵢ`. No result depends on
    /// `threads`; nothing but a few kilobytes is allocated. Binary takes two passes, ternary five, Lloyd two an iteration
    /// at most.
    /// - Parameters:
    ///   - quantized: room for `count` floats apart from `w` (which training keeps); also the scratch space.
    ///   - codes: nil, or room for `count` codes.
    /// - Returns: the scale `δ`.
    @discardableResult
    public func project(
        _ w: UnsafePointer<Float>, count: Int, quantized: UnsafeMutablePointer<Float>,
        codes: UnsafeMutablePointer<Int8>? = nil, threads: Int
    ) -> Float {
        precondition(count > 0 && w != UnsafePointer(quantized), "need weights, and other room for the quantized ones")
        return projectSlice(
            w, count, ck_magnitudes(w, count, Int32(threads)), haveSigns: false, quantized, codes, scratch: quantized, Int32(threads))
    }

    /// - Parameters:
    ///   - haveSigns: the codes hold the weights' signs already.
    ///   - quantized: nil where the codes are enough.
    ///   - scratch: room for `count` floats apart from `w`; may be `quantized`.
    func projectSlice(
        _ w: UnsafePointer<Float>, _ count: Int, _ magnitudes: ck_magnitudes, haveSigns: Bool,
        _ quantized: UnsafeMutablePointer<Float>?, _ codes: UnsafeMutablePointer<Int8>?, scratch: UnsafeMutablePointer<Float>,
        _ threads: Int32
    ) -> Float {
        guard magnitudes.sum.isFinite else { return fill(.nan, 0, quantized, codes, count) }
        switch bits {
        case 1:
            let scale = Float(magnitudes.sum / Double(count))
            if quantized != nil || !haveSigns { ck_binary_codes(w, count, scale, quantized, codes, threads) }
            return scale
        case 2 where ternary == .authors:
            return AuthorsCodeProjections.ternary(w, count, sum: magnitudes.sum, quantized, codes, threads)
        case 2:
            guard magnitudes.maximum > 0 else { return fill(0, 0, quantized, codes, count) }
            let kept = largestMagnitudes(w, count, magnitudes, scratch: scratch, threads)
            ck_ternary_codes(w, count, kept.threshold, kept.scale, quantized, codes, threads)
            return kept.scale
        default:
            guard lloydStart(magnitudes.maximum) > 0 else { return fill(0, 0, quantized, codes, count) }
            return lloyd(w, count, from: lloydStart(magnitudes.maximum), quantized, codes, threads)
        }
    }

    /// The same for an array.
    public func project(_ w: [Float], threads: Int = 1) -> (scale: Float, codes: [Int8]) {
        var (scale, quantized) = (Float(0), [Float](repeating: 0, count: w.count))
        let codes = [Int8](unsafeUninitializedCapacity: w.count) { codes, count in
            scale = project(w, count: w.count, quantized: &quantized, codes: codes.baseAddress, threads: threads)
            count = w.count
        }
        return (scale, codes)
    }

    private func fill(
        _ value: Float, _ code: Int8, _ quantized: UnsafeMutablePointer<Float>?, _ codes: UnsafeMutablePointer<Int8>?,
        _ count: Int
    ) -> Float {
        quantized?.update(repeating: value, count: count)
        codes?.update(repeating: code, count: count)
        return value
    }

    private func lloyd(
        _ w: UnsafePointer<Float>, _ count: Int, from start: Float, _ quantized: UnsafeMutablePointer<Float>?,
        _ codes: UnsafeMutablePointer<Int8>?, _ threads: Int32
    ) -> Float {
        let top = Float(maximumCode)
        var (step, scale) = (start, start)
        for _ in 0..<maximumIterations {
            step = scale
            let products = ck_rounded_products(w, count, step, top, threads)
            scale = Float(products.wq / products.qq)
            if scale == step { break }
        }
        ck_rounded_codes(w, count, step, top, scale, quantized, codes, threads)
        return scale
    }
}
