// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Synchronization

/// Whether somebody has asked the run to stop; shared between the signals' thread and the one that trains.
public final class StopRequest: Sendable {
    private let signal = Atomic<Int32>(0)

    public init() {}

    public var isMade: Bool { signal.load(ordering: .relaxed) != 0 }
    /// 128 + the signal that was first, as shells count; 128 before there was one.
    public var exitStatus: Int32 { 128 + signal.load(ordering: .relaxed) }
    public func make(by number: Int32 = SIGTERM) { _ = signal.compareExchange(expected: 0, desired: number, ordering: .relaxed) }
}

/// Turns the first signal that asks the program to stop into a stop request for as long as it lives; the next one ends the
/// process at once (`startProgram`).
public final class StopSignals {
    /// - Parameters:
    ///   - request: made when a signal comes.
    ///   - answer: what is said of the signal of a name; nil for nothing.
    public init(_ request: StopRequest, answer: @escaping @Sendable (_ name: String) -> String? = StopSignals.answer) {
        Signals.handOver { signal, name in
            request.make(by: signal)
            return answer(name)
        }
    }

    /// Of a process by itself.
    public static let answer: @Sendable (String) -> String? = { "\($0): stopping as soon as all is saved; a second signal ends it at once" }

    deinit { Signals.handOver(to: nil) }
}
