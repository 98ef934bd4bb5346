// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// What the update's pass over the weights has left for the projection.
package enum KnownMagnitudes {
    case none
    /// `Σ|w|` and `max|w|` of each slice; `haveSigns` when the codes hold the weights' signs already.
    case perSlice(UnsafePointer<ck_magnitudes>, haveSigns: Bool)
}

extension WeightProjection {
    /// Projects each of `slices` equal parts of `count` weights by itself; threads share one slice, or else the slices.
    /// - Parameters:
    ///   - quantized: nil where the codes are enough.
    ///   - scales: room for one `δ` a slice.
    ///   - scratch: room for `count` floats apart from `w`; may be `quantized`.
    package func project(
        _ w: UnsafePointer<Float>, count: Int, slices: Int, known: KnownMagnitudes, quantized: UnsafeMutablePointer<Float>?,
        codes: UnsafeMutablePointer<Int8>, scales: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>, threads: Int
    ) {
        precondition(slices >= 1 && count > 0 && count % slices == 0, "slices are of equal length")
        precondition(w != UnsafePointer(scratch), "need other room than the weights'")
        var job = SliceJob(
            projection: self, w: w, length: count / slices, slices: slices, known: known, quantized: quantized, codes: codes,
            scales: scales, scratch: scratch)
        guard slices > 1 else { return job.project(0, threads: Int32(threads)) }
        ck_parallel(
            Int32(threads),
            { context, worker, workers in
                guard let job = context?.assumingMemoryBound(to: SliceJob.self).pointee else { return }
                for slice in stride(from: Int(worker), to: job.slices, by: Int(workers)) { job.project(slice, threads: 1) }
            }, &job)
    }

    /// The same for an array: one scale a slice, and all codes.
    public func project(_ w: [Float], slices: Int, threads: Int = 1) -> (scales: [Float], codes: [Int8]) {
        var (scales, codes) = ([Float](repeating: 0, count: slices), [Int8](repeating: 0, count: w.count))
        var scratch = [Float](repeating: 0, count: w.count)
        project(
            w, count: w.count, slices: slices, known: .none, quantized: nil, codes: &codes, scales: &scales, scratch: &scratch,
            threads: threads)
        return (scales, codes)
    }
}

private struct SliceJob {
    let projection: WeightProjection
    let w: UnsafePointer<Float>
    let length, slices: Int
    let known: KnownMagnitudes
    let quantized: UnsafeMutablePointer<Float>?
    let codes: UnsafeMutablePointer<Int8>
    let scales: UnsafeMutablePointer<Float>
    let scratch: UnsafeMutablePointer<Float>

    func project(_ slice: Int, threads: Int32) {
        let offset = slice * length
        let (magnitudes, haveSigns) = switch known {
        case .none: (ck_magnitudes(w + offset, length, threads), false)
        case .perSlice(let all, let haveSigns): (all[slice], haveSigns)
        }
        scales[slice] = projection.projectSlice(
            w + offset, length, magnitudes, haveSigns: haveSigns, quantized.map { $0 + offset }, codes + offset,
            scratch: scratch + offset, threads)
    }
}
