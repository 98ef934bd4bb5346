// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Parallelism
import TestSupport
import Testing

/// What Linux says of memory, in files made for the test.
@Suite struct AvailableMemoryTests {
    private func available(_ files: [String: String]) throws -> AvailableMemory? {
        let temporary = try TemporaryFolder(), folder = temporary.path
        for (name, text) in files { try temporary.write(text, to: name) }
        return AvailableMemory.left(processes: folder + "/proc", groups: folder + "/groups").map { memory in
            AvailableMemory(bytes: memory.bytes, source: memory.source.replacingOccurrences(of: folder, with: ""))
        }
    }

    private static let machine = ["proc/meminfo": "MemTotal:  9000 kB\nMemFree:  100 kB\nMemAvailable:  4000 kB\n"]

    @Test func theLeastCounts() throws {
        #expect(try available(["none": ""]) == nil)
        #expect(try available(Self.machine) == AvailableMemory(bytes: 4_096_000, source: "MemAvailable"))
        var files = Self.machine.merging(["proc/self/cgroup": "0::/a/b\n"]) { $1 }
        // No limit, then one of the group above; file pages that are not in use are given back.
        files.merge(["groups/a/b/memory.max": "max\n", "groups/a/b/memory.current": "1000\n"]) { $1 }
        #expect(try available(files)?.source == "MemAvailable")
        files.merge([
            "groups/a/memory.max": "3000000\n", "groups/a/memory.current": "1000000\n",
            "groups/a/memory.stat": "anon 5\ninactive_file 250000\n"
        ]) { $1 }
        #expect(try available(files) == AvailableMemory(bytes: 2_250_000, source: "limit of the control group /groups/a"))
        // Version 1.
        files.merge([
            "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/m\n0::/\n", "groups/memory/m/memory.limit_in_bytes": "2000000\n",
            "groups/memory/m/memory.usage_in_bytes": "1900000\n", "groups/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "groups/memory/memory.usage_in_bytes": "1\n"
        ]) { $1 }
        #expect(try available(files) == AvailableMemory(bytes: 100_000, source: "limit of the control group /groups/memory/m"))
        // The process's own limits.
        files.merge([
            "proc/self/limits":
                "Limit   Soft Limit   Hard Limit   Units\nMax data size             unlimited    unlimited    bytes\nMax address space    "
                + "     269459456     unlimited   bytes\n",
            "proc/self/status": "Name: x\nVmSize:  \t 950 kB\nVmData: 10 kB\n"
        ]) { $1 }
        // 1024000 more than the 256 MiB that are set aside for threads.
        #expect(try available(files) == AvailableMemory(bytes: 51_200, source: "ulimit -v"))
        // Over a limit already: nothing is left.
        files["proc/self/status"] = "VmSize: 900000 kB\n"
        #expect(try available(files)?.bytes == 0)
    }

    @Test func bothNumbersAreSaid() throws {
        let memory = AvailableMemory(bytes: 1_500_000, source: "MemAvailable")
        try AvailableMemory.expect(1_500_000, of: memory, for: "a network")
        try AvailableMemory.expect(.max, of: nil, for: "a network")
        let error = #expect(throws: MemoryError.self) {
            try AvailableMemory.expect(2_000_001, of: memory, for: "a network with batches of 3 images")
        }
        #expect(
            error?.description
                == "a network with batches of 3 images would take about 3 MB, and 2 MB are left (MemAvailable): ask for less, or run it "
                + "where there is more"
        )
    }

    @Test func thisMachine() throws { #expect(try #require(AvailableMemory.now()).bytes > 0) }
}
