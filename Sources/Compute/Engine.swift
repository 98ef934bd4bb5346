// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import COneDNN
import Parallelism

/// A oneDNN call that did not succeed.
public struct ComputeError: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }

    init(_ status: dnnl_status_t, in call: String) {
        let reason: String
        switch status {
        case dnnl_out_of_memory: reason = "out of memory; use a smaller batch"
        case dnnl_invalid_arguments: reason = "invalid arguments"
        case dnnl_unimplemented: reason = "not implemented for this shape on this processor"
        default: reason = "status \(status.rawValue)"
        }
        self.init("oneDNN \(call): \(reason)")
    }
}

func check(_ status: dnnl_status_t, _ call: @autoclosure () -> String) throws {
    guard status == dnnl_success else { throw ComputeError(status, in: call()) }
}

/// The processor as the layers see it: oneDNN's engine and stream, and how many threads may work.
///
/// An engine belongs to one thread at a time. oneDNN splits its sums by the thread count, so results repeat
/// bit for bit for the same machine and thread count, and may differ in the last bits for another.
public final class Engine {
    public let threads: Int
    let handle: dnnl_engine_t
    let stream: dnnl_stream_t

    /// - Parameter threads: 1 or more; more than the processor has only slows it down.
    /// - Throws: `ComputeError` where OpenMP starts fewer threads: oneDNN would leave their share of each sum undone.
    public init(threads: Int) throws {
        precondition(threads >= 1, "an engine needs a thread")
        let delivered = deliveredThreads(threads)
        guard delivered == threads else {
            throw ComputeError(
                "\(threads) threads were asked for, but OpenMP starts only \(delivered): use --threads \(delivered), or raise what "
                    + "limits it (OMP_THREAD_LIMIT, OMP_MAX_ACTIVE_LEVELS)")
        }
        self.threads = threads
        var engine: dnnl_engine_t?
        try check(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine")
        guard let engine else { throw ComputeError(dnnl_runtime_error, in: "engine") }
        var stream: dnnl_stream_t?
        try check(dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)), "stream")
        guard let stream else { throw ComputeError(dnnl_runtime_error, in: "stream") }
        (handle, self.stream) = (engine, stream)
    }

    /// Of oneDNN, such as `2.6.3`.
    public static var version: String {
        guard let version = dnnl_version()?.pointee else { return "unknown" }
        return "\(version.major).\(version.minor).\(version.patch)"
    }

    deinit {
        dnnl_stream_destroy(stream)
        dnnl_engine_destroy(handle)
    }

    /// OpenMP keeps its thread count per calling thread; this sets ours before every oneDNN call.
    func claimThreads() { ck_set_openmp_threads(Int32(threads)) }
}
