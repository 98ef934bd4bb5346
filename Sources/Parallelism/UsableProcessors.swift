// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Files
import Foundation

/// How many processors this process may keep busy: those of its affinity mask (`taskset`, MPI's binding), and no more than the
/// quota of its control group (containers, Slurm), rounded down; 1 at least.
public func usableProcessors() -> Int {
    let quota = cpuQuota(cgroups: "/proc/self/cgroup", mount: "/sys/fs/cgroup") ?? .infinity
    return max(1, min(Int(ck_affinity_count()), quota < 4096 ? Int(quota) : .max))
}

/// Processors that control groups allow, the least of the group's own quota and those above it; nil without a quota.
///
/// Version 2 keeps quota and period in `cpu.max`, version 1 in `cpu.cfs_quota_us` and `cpu.cfs_period_us`, both in microseconds
/// (Linux's Documentation/admin-guide/cgroup-v2.rst, scheduler/sched-bwc.rst).
/// - Parameters:
///   - cgroups: the file that lists the process's groups, a line `ID:CONTROLLERS:PATH` each.
///   - mount: where their folders are.
package func cpuQuota(cgroups: String, mount: String) -> Double? {
    var quotas: [Double] = []
    for line in lines(of: pseudoFile(cgroups)) {
        let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 3 else { continue }
        let isVersion2 = fields[1].isEmpty
        guard isVersion2 || fields[1].split(separator: ",").contains("cpu") else { continue }
        var parts = fields[2].split(separator: "/").map(String.init)
        while true {
            let folder = ([mount] + (isVersion2 ? [] : [fields[1]]) + parts).joined(separator: "/")
            let words =
                isVersion2
                ? pseudoFile("\(folder)/cpu.max")
                : pseudoFile("\(folder)/cpu.cfs_quota_us") + " " + pseudoFile("\(folder)/cpu.cfs_period_us")
            let numbers = words.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }  // "max" and -1 are no quota
            if numbers.count == 2, numbers[0] > 0, numbers[1] > 0 { quotas.append(numbers[0] / numbers[1]) }
            guard parts.popLast() != nil else { break }
        }
    }
    return quotas.min()
}

/// The text of a file of the kernel's, which says nothing of its size; empty where there is none.
private func pseudoFile(_ path: String) -> String {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
}
