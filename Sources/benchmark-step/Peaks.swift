// SPDX-License-Identifier: GPL-3.0-or-later
import CPeaks
import Files

/// What the processor can do at most, measured on `threads` threads.
struct Peaks: Codable {
    /// Multiply-adds a second: f32, bf16 products added in f32, u8×s8 products added in s32.
    let f32, bf16, int8: Double
    /// Bytes a second of `a[i] = b[i] + s·c[i]` over arrays far larger than the caches, 12 for each `i`.
    let memory: Double
    /// Whether the processor has instructions for them, or puts them together from others.
    let bf16Native, int8Native: Bool

    enum CodingKeys: String, CodingKey {
        case f32, bf16, int8, memory
        case bf16Native = "bf16_native"
        case int8Native = "int8_native"
    }

    /// Takes about four times `seconds`.
    /// - Throws: `FileError` when there is no memory for the arrays (192 MiB).
    init(threads: Int, seconds: Double) throws {
        func measure(_ kind: ck_peak_kind) -> ck_peak { ck_measure_peak(kind, seconds, Int32(threads)) }
        let (bf16, int8) = (measure(CK_PEAK_BF16), measure(CK_PEAK_INT8))
        f32 = measure(CK_PEAK_F32).rate
        memory = measure(CK_PEAK_MEMORY).rate
        (self.bf16, bf16Native) = (bf16.rate, bf16.native != 0)
        (self.int8, int8Native) = (int8.rate, int8.native != 0)
        guard memory > 0 else { throw FileError("no memory for 192 MiB of arrays to measure the bandwidth with") }
    }
}
