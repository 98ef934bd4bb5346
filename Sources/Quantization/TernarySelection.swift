// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// The exact ternary projection without sorting all weights.
///
/// Write `S` and `k` for the sum and number of the kept magnitudes, `F = S²/k` for the objective.
/// 1. An optimal set is `{|w| ≥ t}` with `t` on the scale's half: what is kept exceeds `δ/2`, what is dropped does not,
///    and `mean|w| ≤ δ ≤ max|w|`. So magnitudes below `mean|w|/2` are never kept, and only the others are binned.
/// 2. A histogram over their bit patterns gives `S`, `k` and so `F` at every bin edge. Inside a bin of `c` magnitudes in
///    `[low, high)` with sum `s`, the `j` largest sum to at most `min(j·high, s − (c − j)·low)`; `F` is convex in `j` on
///    either branch, so it is bounded by its value at both edges and where the branches meet.
/// 3. Only bins whose bound reaches the best edge can hold the optimum. They lie next to each other (a thousandth of
///    Gaussian weights): their magnitudes are gathered, sorted and tried one by one.
/// Bins are summed in integers, so `F` carries only the rounding of `Double`; sets whose `F` agree to that are ties.
extension TernaryProjection {
    func largestMagnitudes(
        _ w: UnsafePointer<Float>, _ count: Int, _ all: ck_magnitudes, scratch: UnsafeMutablePointer<Float>,
        _ threads: Int32
    ) -> (threshold: Float, scale: Float) {
        let lowest = Float(all.sum / Double(count) / 2) * (1 - 0x1p-20)  // a margin for the rounding of the mean
        // A slice of few weights is not worth many bins.
        let binCount = min(Int(CK_MAGNITUDE_BINS), max(65, count / 16))
        let binning = Binning(from: lowest, to: all.maximum, bins: binCount)
        return withUnsafeTemporaryAllocation(of: ck_magnitude_bin.self, capacity: binCount) { bins in
            ck_magnitude_histogram(w, count, binning.base, binning.shift, bins.baseAddress, Int32(binCount), threads)
            let range = binning.candidates(bins)
            let found = ck_gather_magnitudes(w, count, range.low, range.high, scratch, threads)
            var sorted = UnsafeMutableBufferPointer(start: scratch, count: found)
            sorted.sort(by: >)
            return best(of: sorted, above: range.above)
        }
    }

    /// Tries every number of kept magnitudes; the smallest of equally good ones wins.
    private func best(of sorted: UnsafeMutableBufferPointer<Float>, above: Kept) -> (threshold: Float, scale: Float) {
        var (kept, bestObjective, result) = (above, -1.0, (threshold: Float(0), scale: Float(0)))
        for magnitude in sorted {
            kept.add(1, Double(magnitude))
            guard kept.objective > bestObjective else { continue }
            (bestObjective, result) = (kept.objective, (magnitude, Float(kept.sum / kept.count)))
        }
        return result
    }
}

private struct Kept {
    var (count, sum) = (0.0, 0.0)
    var objective: Double { count > 0 ? sum * sum / count : 0 }
    mutating func add(_ count: Double, _ sum: Double) { (self.count, self.sum) = (self.count + count, self.sum + sum) }
    func adding(_ count: Double, _ sum: Double) -> Kept {
        var result = self
        result.add(count, sum)
        return result
    }
}

/// Bins of width `2^shift` in the bit pattern of a magnitude, as few bits wide as the table allows.
private struct Binning {
    let base: UInt32
    let shift: Int32

    init(from lowest: Float, to highest: Float, bins: Int) {
        let room = UInt32(bins) - 1
        var shift: UInt32 = 0
        while (highest.bitPattern >> shift) - (lowest.bitPattern >> shift) >= room { shift += 1 }
        (base, self.shift) = ((lowest.bitPattern >> shift) << shift, Int32(shift))
    }

    private func low(_ bin: Int) -> Float { Float(bitPattern: base + (UInt32(bin - 1) << UInt32(shift))) }

    /// The count and the exact sum of a bin, and the width of its range.
    private func contents(_ bin: Int, _ entry: ck_magnitude_bin) -> (count: Double, sum: Double, width: Double) {
        let (low, unit, count) = (low(bin), Double(low(bin).ulp), Double(entry.count))
        return (count, count * Double(low) + Double(entry.offsets) * unit, unit * Double(UInt32(1) << UInt32(shift)))
    }

    /// The magnitudes that can be the smallest kept one, `low ..< high`, and the sum and number of those above.
    func candidates(_ bins: UnsafeMutableBufferPointer<ck_magnitude_bin>) -> (low: Float, high: Float, above: Kept) {
        let filled = (1..<bins.count).reversed().filter { bins[$0].count > 0 }
        var (kept, bestEdge) = (Kept(), 0.0)
        for bin in filled {
            let (count, sum, _) = contents(bin, bins[bin])
            kept.add(count, sum)
            bestEdge = max(bestEdge, kept.objective)
        }
        var range: (first: Int, last: Int, above: Kept)?
        kept = Kept()
        for bin in filled {
            let (count, sum, width) = contents(bin, bins[bin])
            if bound(kept, count, sum, Double(low(bin)), width) >= bestEdge * (1 - 0x1p-40) {
                range = (range?.first ?? bin, bin, range?.above ?? kept)
            }
            kept.add(count, sum)
        }
        // The bin above the best edge always qualifies, so there is a range.
        let (first, last, above) = range ?? (bins.count - 1, 1, Kept())
        return (low(last), low(first + 1), above)
    }

    /// No set that ends inside the bin has a larger objective.
    private func bound(_ above: Kept, _ count: Double, _ sum: Double, _ low: Double, _ width: Double) -> Double {
        let meeting = max(0, sum - count * low) / width
        return max(
            above.objective, above.adding(count, sum).objective,
            above.adding(meeting, meeting * (low + width)).objective)
    }
}
