// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Collectives
import Files
import Foundation
import Parallelism
import Theory

sleepWhenIdle()
startProgram()

// One clear line for every error; help keeps the parser's own layout.
do {
    try InstructionSet.checkEnvironment()
    try expectTextArguments()
    var command: any ParsableCommand
    do { command = try VerifyTheory.parseAsRoot() } catch {
        endIfLaterRank(status: VerifyTheory.exitCode(for: error).rawValue)
        throw error
    }
    try command.run()
} catch let error where VerifyTheory.exitCode(for: error) == .success || error is ExitCode {
    if VerifyTheory.exitCode(for: error) == .success { endIfLaterRank(status: 0) }
    VerifyTheory.exit(withError: error)
} catch {
    let line = VerifyTheory.message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
    note("verify-theory: \(line)")
    exit(VerifyTheory.exitCode(for: error).rawValue)
}
