// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// How many of `wanted` threads OpenMP really starts: fewer where OMP_THREAD_LIMIT or OMP_MAX_ACTIVE_LEVELS say so, or inside
/// another parallel region. oneDNN divides its work by the threads that it was promised and leaves the missing ones' undone.
public func deliveredThreads(_ wanted: Int) -> Int { Int(ck_delivered_threads(Int32(clamping: wanted))) }

/// The number of threads where nobody says another: all processors that may be used, if OpenMP gives as many.
public func standardThreads() -> Int { deliveredThreads(min(usableProcessors(), 256)) }

/// To be called first thing in a program's `main`: idle threads sleep instead of spinning, which on a busy machine makes steps
/// ten times faster. Restarts the process once, unless OMP_WAIT_POLICY or GOMP_SPINCOUNT is set.
public func sleepWhenIdle() { ck_sleep_when_idle(CommandLine.unsafeArgv) }
