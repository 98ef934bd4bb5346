// SPDX-License-Identifier: GPL-3.0-or-later
import CAllocations
import Foundation
import Testing

/// What the benchmark says of allocations is what was asked of malloc, by whichever of its functions. Other tests allocate at
/// the same time, so counts are lower bounds; nothing else is as large.
@Suite(.serialized) struct AllocationTests {
    private func largest(_ size: Int, _ allocate: () -> UnsafeMutableRawPointer?) {
        let before = allocations_so_far()
        let block = allocate()
        _ = write(-1, block, 1)  // shown to the system, so that no optimiser leaves the block out
        let after = allocations_so_far()
        #expect(block != nil && after.count > before.count && after.bytes - before.bytes >= size && after.largest == size)
        free(block)  // of memory that the same family gave
    }

    @Test func everyFunctionCounts() throws {
        let size = 77_000_000
        largest(size) { malloc(size) }
        largest(size) { calloc(size / 8, 8) }
        largest(size) { realloc(malloc(1), size) }
        largest(size / 64 * 64) { aligned_alloc(64, size / 64 * 64) }
        largest(size) {
            var block: UnsafeMutableRawPointer?
            return posix_memalign(&block, 64, size) == 0 ? block : nil
        }
        largest(size) { valloc(size) }
    }

    /// As POSIX has it: an alignment that is no power of two, or none of a pointer's multiple, is an error and changes nothing.
    @Test func impossibleAlignmentsAreRefused() {
        for alignment in [0, 1, 4, 24] {
            var block = UnsafeMutableRawPointer(bitPattern: 8)
            #expect(posix_memalign(&block, alignment, 100) == EINVAL && block == UnsafeMutableRawPointer(bitPattern: 8))
        }
    }
}
