// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// How many processes mpirun or srun started, and which one this is, as their environment variables say; nil by itself.
private func launched() -> (rank: Int, ranks: Int)? {
    let environment = ProcessInfo.processInfo.environment
    // `srun --mpi=pmix` comes last: mpirun within its job has others. Without --mpi there is no PMIX_RANK, and its tasks go their own ways.
    let known = [("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"), ("PMIX_RANK", "SLURM_STEP_NUM_TASKS")]
    for (rank, ranks) in known {
        if let rank = environment[rank].flatMap(Int.init), let ranks = environment[ranks].flatMap(Int.init) { return (rank, ranks) }
    }
    return nil
}

/// Ends the process with the status where another rank of its job says what is wrong with the command line that they share; not before
/// that one has said it, as mpirun ends all with the first that fails.
public func endIfLaterRank(status: Int32) {
    guard launched()?.rank ?? 0 > 0 else { return }
    sleep(1)
    exit(status)
}

/// What is wrong with a number of `--ranks`; nil for nothing.
public func fault(ofRanks ranks: Int?) -> String? {
    guard let ranks, !(1...4096).contains(ranks) else { return nil }
    return "--ranks must be 1 to 4096, not \(ranks)"
}

/// To be called once in a process, before it does anything that others of the job might do too.
/// - Parameter ranks: what `--ranks` says; nil without it.
/// - Throws: `CollectiveError` where that is not how the process was started; on other ranks than the first the process then ends, so that
///   it is said once.
private func join(ranks: Int?) throws -> any Collective {
    let job = launched()
    func refuse(_ why: String) throws -> Never {
        endIfLaterRank(status: 64)
        throw CollectiveError(why)
    }
    guard let ranks else {
        if let job, job.ranks > 1 {
            try refuse("\(job.ranks) processes were started, which would all write the same files: add --ranks \(job.ranks)")
        }
        return Alone()
    }
    if let job, job.ranks != ranks {
        try refuse("--ranks \(ranks), but \(job.ranks) processes were started: they must be as many (mpirun -n \(ranks))")
    }
    if ranks == 1 { return Alone() }
    #if MPI
    let collective = try MPICollective()
    guard collective.ranks == ranks else {
        try refuse(
            "--ranks \(ranks), but MPI knows of \(collective.ranks): start it by mpirun -n \(ranks) or srun -n \(ranks), of the MPI it "
                + "was built with"
        )
    }
    return collective
    #else
    try refuse(
        "this program was built without MPI, so it has no --ranks \(ranks): build it by swift build -c release --traits MPI "
            + "(Documentation/Cluster.md)"
    )
    #endif
}

/// Runs `body` as one rank of a job. What any rank throws ends all of them with one line; what `isEnd` says of, which all ranks throw
/// together, and nothing at all, end it in order.
/// - Parameters:
///   - ranks: what `--ranks` says; nil without it.
///   - isEnd: whether an error, which all ranks throw together, ends them in order.
///   - body: this rank's work, given what joins it to the others.
public func asRank<Result>(of ranks: Int?, isEnd: (any Error) -> Bool, _ body: (any Collective) throws -> Result) throws -> Result {
    let collective = try join(ranks: ranks)
    do {
        let result = try body(collective)
        try collective.finish()
        return result
    } catch {
        guard collective.ranks > 1 else { throw error }
        if isEnd(error) { try collective.finish() } else { fail(error, collective) }
        throw error
    }
}

private func fail(_ error: any Error, _ collective: any Collective) -> Never {
    // What all ranks run into, the first one says; it ends the others while they wait.
    if !collective.isFirst { sleep(2) }
    note("Error: rank \(collective.rank) of \(collective.ranks): \(error)")
    collective.abort()
}
