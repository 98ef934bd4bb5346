// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

private struct ParallelJob {
    let count: Int
    let body: (Int) -> Void
}

/// `body(0), …, body(count − 1)` on `threads` workers, in order; the first error, by index, is thrown.
/// Work is dealt out in turn, so `body` must depend on its index alone for results to be the same on any thread count.
func parallelMap<Value: Sendable>(_ count: Int, threads: Int, _ body: @Sendable (Int) throws -> Value) throws -> [Value] {
    var results = [Result<Value, any Error>?](repeating: nil, count: count)
    try withoutActuallyEscaping(body) { body in
        results.withUnsafeMutableBufferPointer { slots in
            nonisolated(unsafe) let slots = slots
            var job = ParallelJob(count: count) { index in slots[index] = Result { try body(index) } }
            ck_parallel(
                Int32(max(1, min(threads, count))),
                { context, worker, workers in
                    let job = context!.assumingMemoryBound(to: ParallelJob.self).pointee
                    for index in stride(from: Int(worker), to: job.count, by: Int(workers)) { job.body(index) }
                }, &job)
        }
    }
    return try results.map { try $0!.get() }
}
