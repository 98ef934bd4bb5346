// SPDX-License-Identifier: GPL-3.0-or-later

/// What a program knows of its own build.
public enum BuildFacts {
    /// The short hash of the commit that the program was built from, with `-dirty` when its sources differed; `unknown` where
    /// they were in no checkout of their own.
    public static var commit: String { recordedCommit }

    /// Such as `Swift 6.3.1`, of the compiler that built it; `unknown` where it did not say.
    public static var compiler: String { recordedCompiler }
}
