// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Weights that have one scale, and where their projection goes.
package struct WeightSlice {
    let w: UnsafePointer<Float>
    let count: Int
    /// The integer weights hold the weights' signs already.
    var haveSigns = false
    /// nil where the integer weights are enough.
    let quantized: UnsafeMutablePointer<Float>?
    let integerWeights: UnsafeMutablePointer<Int8>?
    /// Room for `count` floats apart from `w`; may be `quantized`.
    let scratch: UnsafeMutablePointer<Float>

    func fill(_ value: Float, code: Int8) -> Float {
        quantized?.update(repeating: value, count: count)
        integerWeights?.update(repeating: code, count: count)
        return value
    }
}

/// A projection whose fast form begins with `Σ|w|` and `max|w|`, which the update's pass over the weights may have left.
package protocol MagnitudeProjection: WeightQuantizer {
    /// - Parameter magnitudes: of the slice, finite.
    /// - Returns: the scale.
    func projectSlice(_ slice: WeightSlice, _ magnitudes: ck_magnitudes, threads: Int32) -> Float
}

extension MagnitudeProjection {
    fileprivate func projectFinite(_ slice: WeightSlice, _ magnitudes: ck_magnitudes, threads: Int32) -> Float {
        magnitudes.sum.isFinite ? projectSlice(slice, magnitudes, threads: threads) : slice.fill(.nan, code: 0)
    }
}

/// What the update's pass over the weights has left for the projection.
package enum KnownMagnitudes {
    case none
    /// `Σ|w|` and `max|w|` of each slice; `haveSigns` when the integer weights hold the weights' signs already.
    case perSlice(UnsafePointer<ck_magnitudes>, haveSigns: Bool)
}

extension WeightQuantizer {
    /// Projects each of `slices` equal parts of `count` weights by itself; threads share one slice, or else the slices.
    /// - Parameters:
    ///   - quantized, integerWeights: nil where the other is enough.
    ///   - scales: room for one `δ` a slice.
    ///   - scratch: room for `count` floats apart from `w`; may be `quantized`.
    package func project(
        _ w: UnsafePointer<Float>, count: Int, slices: Int, known: KnownMagnitudes, quantized: UnsafeMutablePointer<Float>?,
        integerWeights: UnsafeMutablePointer<Int8>?, scales: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>, threads: Int
    ) {
        precondition(slices >= 1 && count > 0 && count % slices == 0, "slices are of equal length")
        precondition(w != UnsafePointer(scratch), "need other room than the weights'")
        var job = SliceJob(
            quantizer: self, w: w, length: count / slices, slices: slices, known: known, quantized: quantized,
            integerWeights: integerWeights,
            scales: scales, scratch: scratch)
        guard slices > 1 else { return job.project(0, threads: Int32(threads)) }
        withUnsafeMutablePointer(to: &job) { job in
            ck_parallel(
                Int32(threads),
                { context, worker, workers in
                    guard let job = context?.assumingMemoryBound(to: SliceJob.self).pointee else { return }
                    for slice in stride(from: Int(worker), to: job.slices, by: Int(workers)) { job.project(slice, threads: 1) }
                }, job)
        }
    }

    /// The same for an array: one scale a slice, and all integer weights.
    public func project(_ w: [Float], slices: Int, threads: Int = 1) -> (scales: [Float], integerWeights: [Int8]) {
        var (scales, integerWeights) = ([Float](repeating: 0, count: slices), [Int8](repeating: 0, count: w.count))
        var scratch = [Float](repeating: 0, count: w.count)
        project(
            w, count: w.count, slices: slices, known: .none, quantized: nil, integerWeights: &integerWeights, scales: &scales,
            scratch: &scratch,
            threads: threads)
        return (scales, integerWeights)
    }
}

private struct SliceJob {
    let quantizer: any WeightQuantizer
    let w: UnsafePointer<Float>
    let length, slices: Int
    let known: KnownMagnitudes
    let quantized: UnsafeMutablePointer<Float>?
    let integerWeights: UnsafeMutablePointer<Int8>?
    let scales: UnsafeMutablePointer<Float>
    let scratch: UnsafeMutablePointer<Float>

    func project(_ number: Int, threads: Int32) {
        let offset = number * length
        guard let projection = quantizer as? any MagnitudeProjection else {
            scales[number] = projectByDefinition(offset..<offset + length)
            return
        }
        let (magnitudes, haveSigns) =
            switch known {
            case .none: (ck_magnitudes(w + offset, length, threads), false)
            case .perSlice(let all, let haveSigns): (all[number], haveSigns)
            }
        let slice = WeightSlice(
            w: w + offset, count: length, haveSigns: haveSigns, quantized: quantized.map { $0 + offset },
            integerWeights: integerWeights.map { $0 + offset }, scratch: scratch + offset)
        scales[number] = projection.projectFinite(slice, magnitudes, threads: threads)
    }

    private func projectByDefinition(_ range: Range<Int>) -> Float {
        let (scale, found) = quantizer.referenceProject(Array(UnsafeBufferPointer(start: w + range.lowerBound, count: range.count)))
        precondition(found.count == range.count, "\(quantizer.name): \(found.count) integer weights of \(range.count) weights")
        for (i, integer) in zip(range, found) {
            quantized?[i] = scale * Float(integer)
            integerWeights?[i] = Int8(integer)
        }
        return scale
    }
}
