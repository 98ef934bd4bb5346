// SPDX-License-Identifier: GPL-3.0-or-later
import Parallelism
import Training

/// The program that computes, as what it writes tells of it.
public struct Invocation: Sendable {
    /// As `BuildFacts.commit` gives it.
    public let commit: String
    /// The command line that repeats it from the package's folder, as a shell reads it.
    public let command: String

    public init(commit: String, command: String) { (self.commit, self.command) = (commit, command) }
}

/// How many threads compute.
public struct ComputeThreads: Sendable {
    /// `nil` for all processors that may be used.
    public let asked: Int?

    public init(_ asked: Int?) { self.asked = asked }

    public var count: Int { asked ?? standardThreads() }

    /// Those of the run that goes on, where no others are asked for: its last bits depend on them.
    public func count(goingOnFrom checkpoint: Checkpoint?) -> Int { asked ?? checkpoint?.state.threads ?? standardThreads() }
}
