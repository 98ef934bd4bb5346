// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Synchronization

/// What SIGINT, SIGTERM, SIGHUP and SIGUSR1 do to a program: it ends with one line and the status 128 + signal, its tools ended
/// and its temporary files removed; or, where somebody takes the signals, the first one is theirs and the next ends it.
///
/// SIGUSR1 is what batch systems send before the time is up. SIGHUP is left alone where it is ignored at the start (nohup).
package enum Signals {
    private static let taker = Mutex<(@Sendable (_ signal: Int32, _ name: String) -> String?)?>(nil)

    /// From now on the first signal is handed over, on a thread of its own, and what the taker answers is said; nil: no more.
    package static func handOver(to taker: (@Sendable (_ signal: Int32, _ name: String) -> String?)?) { Self.taker.withLock { $0 = taker } }

    private static let names = [SIGINT: "SIGINT", SIGTERM: "SIGTERM", SIGHUP: "SIGHUP", SIGUSR1: "SIGUSR1"]

    /// What SIGUSR1's handler sends in its place.
    private static var forwarded: Int32 { __libc_current_sigrtmin() }

    /// Blocks the signals (and, whatever the parent blocked, only them) in this thread, and so in all that it starts, and waits for
    /// them in one of its own.
    static func listen() {
        var hangUp = sigaction()
        sigaction(SIGHUP, nil, &hangUp)
        let isHangUpIgnored = unsafeBitCast(hangUp.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in names.keys where number != SIGHUP || !isHangUpIgnored {
            signal(number, SIG_DFL)  // an ignored signal could not be waited for
            sigaddset(&signals, number)
        }
        // SIGUSR1 must stay free for the Swift runtime, which halts threads by it when it reports a crash.
        sigdelset(&signals, SIGUSR1)
        sigaddset(&signals, forwarded)
        signal(SIGUSR1) { _ in _ = kill(getpid(), Signals.forwarded) }
        pthread_sigmask(SIG_SETMASK, &signals, nil)
        do { try startThread("signals") { [signals] in wait(for: signals) } } catch {
            // Then they end the program at once, as they do everywhere.
            sigemptyset(&signals)
            pthread_sigmask(SIG_SETMASK, &signals, nil)
            signal(SIGUSR1, SIG_DFL)
        }
    }

    private static func wait(for signals: sigset_t) -> Never {
        var signals = signals
        var first: ContinuousClock.Instant?
        while true {
            var number: Int32 = 0
            guard sigwait(&signals, &number) == 0 else { continue }
            if number == forwarded { number = SIGUSR1 }
            // timeout(1), terminals that close and service managers send the same request twice.
            if let first, ContinuousClock.now - first < .milliseconds(500) { continue }
            let name = names[number] ?? "signal \(number)"
            if first == nil, let taker = taker.withLock({ $0 }) {
                first = .now
                if let line = taker(number, name) { noteBesideBar("\(programName): \(line)") }
            } else {
                Unfinished.endProgram("\(programName): stopped by \(name)", status: 128 + number)
            }
        }
    }
}
