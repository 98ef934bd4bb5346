// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Foundation

/// Something would not fit into memory; one line with what it needs and what there is.
public struct MemoryError: Error, CustomStringConvertible, Equatable {
    public let description: String

    init(_ description: String) { self.description = description }
}

/// How much memory this process may still take, and who says so.
public struct AvailableMemory: Equatable, Sendable {
    public let bytes: Int
    /// In words, such as `MemAvailable`.
    public let source: String

    public init(bytes: Int, source: String) { (self.bytes, self.source) = (max(0, bytes), source) }

    /// The least of what the machine, the control groups (both versions) and the process's own limits leave. The system would
    /// grant more, and end the process when the memory is used.
    ///
    /// - Parameters: where Linux shows them; `nil` is returned where it does not.
    public static func left(processes: String, groups: String) -> AvailableMemory? {
        let all = machine(processes) + limits(processes) + controlGroups(processes, groups)
        return all.min { $0.bytes < $1.bytes }
    }

    /// The same of this process, with what it has freed and may use again.
    public static func now() -> AvailableMemory? {
        left(processes: "/proc", groups: "/sys/fs/cgroup").map { AvailableMemory(bytes: $0.bytes + ck_reusable_bytes(), source: $0.source) }
    }

    /// - Parameters:
    ///   - bytes: that are wanted.
    ///   - available: what there is; nil checks nothing.
    ///   - use: what the memory is for.
    /// - Throws: `MemoryError` with both numbers.
    public static func expect(_ bytes: Int, of available: AvailableMemory?, for use: String) throws {
        guard let available, bytes > available.bytes else { return }
        throw MemoryError(
            "\(use) would take about \(megabytes(bytes)), and \(megabytes(available.bytes)) are left (\(available.source)): ask for less, "
                + "or run it where there is more"
        )
    }

    private static func megabytes(_ bytes: Int) -> String { "\(Int((Double(bytes) / 1e6).rounded(.up))) MB" }

    private static func machine(_ processes: String) -> [AvailableMemory] {
        guard let kilobytes = number(in: "\(processes)/meminfo", "MemAvailable:") else { return [] }
        return [AvailableMemory(bytes: product(kilobytes, 1024), source: "MemAvailable")]
    }

    /// Address space that threads reserve for their stacks and heaps, which counts for `ulimit -v` alone: about 72 MB each.
    private static let threads = 256 << 20

    /// `ulimit -v` and `ulimit -d`.
    private static func limits(_ processes: String) -> [AvailableMemory] {
        let all = [("Max address space", "VmSize:", "ulimit -v", threads), ("Max data size", "VmData:", "ulimit -d", 0)]
        return all.compactMap { limit, used, name, besides in
            guard let most = number(in: "\(processes)/self/limits", limit),
                let now = number(in: "\(processes)/self/status", used)
            else { return nil }
            return AvailableMemory(bytes: most - product(now, 1024) - besides, source: name)
        }
    }

    /// The process's group and all groups above it. Inactive file pages are given back before a group runs out.
    private static func controlGroups(_ processes: String, _ groups: String) -> [AvailableMemory] {
        lines(of: "\(processes)/self/cgroup").flatMap { line -> [AvailableMemory] in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 3 else { return [] }
            let isUnified = fields[0] == "0" && fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains("memory") else { return [] }
            let root = isUnified ? groups : "\(groups)/memory", names = fields[2].split(separator: "/")
            return (0...names.count).compactMap { depth in
                let folder = ([root] + names.prefix(depth).map(String.init)).joined(separator: "/")
                let files =
                    isUnified
                    ? ("memory.max", "memory.current", "inactive_file")
                    : ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
                guard let most = number("\(folder)/\(files.0)"), let used = number("\(folder)/\(files.1)"), most < 1 << 60 else {
                    return nil
                }
                let spare = number(in: "\(folder)/memory.stat", files.2 + " ") ?? 0
                return AvailableMemory(bytes: most - used + min(spare, used), source: "limit of the control group \(folder)")
            }
        }
    }

    private static func product(_ a: Int, _ b: Int) -> Int {
        let (value, overflow) = a.multipliedReportingOverflow(by: b)
        return overflow ? .max : value
    }

    /// Files of the kernel say that they are empty, so they are read to their end.
    private static func lines(of path: String) -> [String] {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self).split(separator: "\n").map(String.init) } ?? []
    }

    private static func number(_ path: String) -> Int? { lines(of: path).first.flatMap { Int($0) } }

    /// The first word after the start of the line that begins so; none where it is no number, such as `unlimited`.
    private static func number(in path: String, _ start: String) -> Int? {
        lines(of: path).first { $0.hasPrefix(start) }?.dropFirst(start.count).split(whereSeparator: \.isWhitespace).first.flatMap {
            Int($0)
        }
    }
}
