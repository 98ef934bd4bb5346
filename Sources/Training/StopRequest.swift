// SPDX-License-Identifier: GPL-3.0-or-later
import Dispatch
import Foundation
import Synchronization

/// Whether somebody has asked the run to stop; shared between a signal's queue and the training thread.
public final class StopRequest: Sendable {
    private let flag = Atomic<Bool>(false)

    public init() {}

    public var isMade: Bool { flag.load(ordering: .relaxed) }
    public func make() { flag.store(true, ordering: .relaxed) }
}

/// Turns Ctrl-C and SIGTERM into a stop request for as long as it lives; a second Ctrl-C ends the process at once.
public final class StopSignals {
    private let sources: [DispatchSourceSignal]

    public init(_ request: StopRequest) {
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                if request.isMade { exit(128 + number) }
                request.make()
            }
            source.resume()
            return source
        }
    }

    deinit {
        sources.forEach { $0.cancel() }
        [SIGINT, SIGTERM].forEach { signal($0, SIG_DFL) }
    }
}
