// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// `body(b, range)` for each block of elements, dealt out to the threads. Blocks are of one length whatever the threads, so that sums
/// taken block by block do not depend on them.
@usableFromInline
func forEachBlock(of count: Int, threads: Int, _ body: (_ block: Int, _ range: Range<Int>) -> Void) {
    guard count > 0 else { return }
    withoutActuallyEscaping(body) { body in
        let job = BlockJob(count: count, body: body)
        withExtendedLifetime(job) {
            ck_parallel(
                Int32(max(1, min(threads, blockCount(count)))),
                { context, worker, workers in
                    guard let context else { return }
                    let job = Unmanaged<BlockJob>.fromOpaque(context).takeUnretainedValue()
                    for block in stride(from: Int(worker), to: blockCount(job.count), by: Int(workers)) {
                        job.body(block, block * blockLength..<min(job.count, (block + 1) * blockLength))
                    }
                }, Unmanaged.passUnretained(job).toOpaque())
        }
    }
}

private let blockLength = 16_384

@usableFromInline
func blockCount(_ count: Int) -> Int { (count + blockLength - 1) / blockLength }

private final class BlockJob {
    let count: Int
    let body: (Int, Range<Int>) -> Void

    init(count: Int, body: @escaping (Int, Range<Int>) -> Void) { (self.count, self.body) = (count, body) }
}
