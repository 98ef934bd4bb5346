// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

private final class ParallelJob {
    let count: Int
    let body: (Int) -> Void

    init(count: Int, body: @escaping (Int) -> Void) { (self.count, self.body) = (count, body) }
}

/// `body(0), …, body(count − 1)` on `threads` workers, in order; the first error, by index, is thrown.
/// Work is dealt out in turn, so `body` must depend on its index alone for results to be the same on any thread count.
func parallelMap<Value: Sendable>(_ count: Int, threads: Int, _ body: @Sendable (Int) throws -> Value) throws -> [Value] {
    let results = [Result<Value, any Error>](unsafeUninitializedCapacity: count) { slots, initialized in
        withoutActuallyEscaping(body) { body in
            let first = slots.baseAddress
            let job = ParallelJob(count: count) { index in
                first.map { ($0 + index).initialize(to: Result { try body(index) }) }
            }
            withExtendedLifetime(job) {
                ck_parallel(
                    Int32(max(1, min(threads, count))),
                    { context, worker, workers in
                        guard let context else { return }
                        let job = Unmanaged<ParallelJob>.fromOpaque(context).takeUnretainedValue()
                        for index in stride(from: Int(worker), to: job.count, by: Int(workers)) { job.body(index) }
                    }, Unmanaged.passUnretained(job).toOpaque())
            }
        }
        initialized = count
    }
    return try results.map { try $0.get() }
}
