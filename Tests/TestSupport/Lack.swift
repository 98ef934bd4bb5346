// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Runs `body` while the system gives no threads, as at a limit on processes or memory: each would need a stack of 64 TiB.
public func withoutThreads<Result>(_ body: () throws -> Result) rethrows -> Result {
    // GNU's, which Swift does not import.
    typealias Access = @convention(c) (UnsafeMutablePointer<pthread_attr_t>) -> Int32
    func access(_ name: String) -> Access { unsafeBitCast(dlsym(nil, name), to: Access.self) }
    let (get, set) = (access("pthread_getattr_default_np"), access("pthread_setattr_default_np"))
    var usual = pthread_attr_t(), huge = pthread_attr_t()
    precondition(get(&usual) == 0 && get(&huge) == 0 && pthread_attr_setstacksize(&huge, 1 << 46) == 0 && set(&huge) == 0)
    defer { _ = set(&usual) }
    return try body()
}

/// Runs `body` while no file can be opened, as at the limit on descriptors.
public func withoutDescriptors<Result>(_ body: () throws -> Result) rethrows -> Result {
    var usual = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &usual)
    var none = rlimit(rlim_cur: 0, rlim_max: usual.rlim_max)
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
    defer { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &usual) }
    return try body()
}
