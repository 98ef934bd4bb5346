// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Runs `body` on a thread of its own.
///
/// Not Foundation's `Thread`, whose start does not say when the system gives none: whoever waits for the thread would wait for ever.
/// - Parameter name: for those who look at the process.
/// - Throws: `FileError` where the limits on processes or memory leave no thread.
package func startThread(_ name: String, _ body: @escaping @Sendable () -> Void) throws {
    let work = Unmanaged.passRetained(ThreadWork(name: name, body: body))
    var attributes = pthread_attr_t(), thread = pthread_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    defer { pthread_attr_destroy(&attributes) }
    let failure = pthread_create(
        &thread, &attributes,
        { argument in
            guard let argument else { return nil }
            let work = Unmanaged<ThreadWork>.fromOpaque(argument).takeRetainedValue()
            Thread.current.name = work.name
            work.body()
            return nil
        }, work.toOpaque())
    guard failure != 0 else { return }
    work.release()
    throw FileError(
        "cannot start a thread (\(name)): \(String(cString: strerror(failure))); the limit on processes (ulimit -u) or on memory is reached"
    )
}

private final class ThreadWork: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) { (self.name, self.body) = (name, body) }
}
