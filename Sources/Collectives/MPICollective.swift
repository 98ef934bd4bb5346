// SPDX-License-Identifier: GPL-3.0-or-later
#if MPI
import CMPI
import Foundation

/// The processes that mpirun or srun started, by MPI (Open MPI or MPICH). It belongs to the thread that made it.
final class MPICollective: Collective {
    let rank, ranks: Int

    /// Joins the others.
    init() throws {
        var (rank, ranks) = (Int32(0), Int32(0))
        try check(cmpi_init(&rank, &ranks), "MPI_Init_thread")
        (self.rank, self.ranks) = (Int(rank), Int(ranks))
    }

    func allGather(_ own: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        precondition(all.count == own.count * ranks, "all ranks' bytes")
        try check(cmpi_all_gather(own.baseAddress, all.baseAddress, Int32(own.count)), "MPI_Allgather of \(own.count) bytes")
    }

    func exchange(_ values: UnsafePointer<Float>, cuts: [Int], into parts: UnsafeMutablePointer<Float>) throws {
        let (counts, offsets) = table(cuts), own = counts[rank]
        try check(
            cmpi_exchange(values, counts, offsets, parts, Array(repeating: own, count: ranks), (0..<ranks).map { Int32($0) * own }),
            "MPI_Alltoallv of \(cuts[ranks]) numbers")
    }

    func share(_ values: UnsafeMutablePointer<Float>, cuts: [Int]) throws {
        let (counts, offsets) = table(cuts)
        try check(cmpi_share(values, counts, offsets), "MPI_Allgatherv of \(cuts[ranks]) numbers")
    }

    private func table(_ cuts: [Int]) -> (counts: [Int32], offsets: [Int32]) {
        (zip(cuts.dropFirst(), cuts).map { Int32($0 - $1) }, cuts.dropLast().map { Int32($0) })
    }

    func broadcast(_ bytes: UnsafeMutableRawBufferPointer) throws {
        try check(cmpi_broadcast(bytes.baseAddress, Int32(bytes.count)), "MPI_Bcast of \(bytes.count) bytes")
    }

    func finish() throws { try check(cmpi_finalize(), "MPI_Finalize") }

    func abort() -> Never {
        cmpi_abort(1)
        exit(1)
    }
}

/// - Throws: `CollectiveError` with MPI's own words.
private func check(_ status: Int32, _ call: @autoclosure () -> String) throws {
    guard status != 0 else { return }
    var text = [CChar](repeating: 0, count: Int(CMPI_MESSAGE))
    cmpi_message(status, &text)
    throw CollectiveError(
        "\(call()): \(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)); start the job again with "
            + "--resume"
    )
}
#endif
