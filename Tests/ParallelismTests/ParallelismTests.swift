// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Foundation
import Parallelism
import TestSupport
import Testing

@Suite struct ParallelismTests {
    /// Which workers a region called, and of how many it told them.
    private final class Calls {
        private let lock = NSLock()
        private(set) var workers: [Int] = [], told: Set<Int> = []
        func add(_ worker: Int32, of workers: Int32) {
            lock.withLock {
                self.workers.append(Int(worker))
                told.insert(Int(workers))
            }
        }
    }

    private static func region(_ threads: Int) -> Calls {
        let calls = Calls()
        ck_parallel(
            Int32(threads),
            { context, worker, workers in
                guard let context else { return }
                Unmanaged<Calls>.fromOpaque(context).takeUnretainedValue().add(worker, of: workers)
            }, Unmanaged.passUnretained(calls).toOpaque())
        return calls
    }

    /// A region inside another gets one thread (OpenMP's max-active-levels is 1): it must do the work of all.
    @Test func everyWorkerIsCalledOnceHoweverManyThreadsThereAre() {
        final class Inner { var calls: [Calls] = [], delivered: [Int] = []; let lock = NSLock() }
        let inner = Inner()
        ck_parallel(
            2,
            { context, _, _ in
                guard let context else { return }
                let inner = Unmanaged<Inner>.fromOpaque(context).takeUnretainedValue()
                let (calls, delivered) = (ParallelismTests.region(5), deliveredThreads(5))
                inner.lock.withLock {
                    inner.calls.append(calls)
                    inner.delivered.append(delivered)
                }
            }, Unmanaged.passUnretained(inner).toOpaque())
        #expect(inner.delivered == [1, 1])
        for calls in inner.calls + [Self.region(5), Self.region(1)] {
            #expect(calls.workers.sorted() == Array(0..<(calls.told.first ?? 0)) && calls.told.count == 1)
        }
        #expect(inner.calls.map(\.told) == [[5], [5]])
        #expect(deliveredThreads(3) == 3)
    }

    @Test func quotasOfControlGroups() throws {
        let folder = try TemporaryFolder()
        func put(_ text: String, _ name: String) throws { try folder.write(text, to: name) }
        func quota() -> Double? { cpuQuota(cgroups: folder.path + "/cgroup", mount: folder.path + "/mount") }
        #expect(quota() == nil)
        // Version 2: the group's own limit, and a tighter one above it.
        try put("0::/slice/job\n", "cgroup")
        #expect(quota() == nil)
        try put("max 100000\n", "mount/slice/job/cpu.max")
        #expect(quota() == nil)
        try put("350000 100000\n", "mount/slice/job/cpu.max")
        #expect(quota() == 3.5)
        try put("150000 100000\n", "mount/slice/cpu.max")
        #expect(quota() == 1.5)
        // Inside a container the group is the root.
        try put("0::/\n", "cgroup")
        try put("200000 100000\n", "mount/cpu.max")
        #expect(quota() == 2)
        // Version 1, among controllers that say nothing of processors; -1 is no quota.
        try put("3:memory:/job\n4:cpu,cpuacct:/job\n", "cgroup")
        try put("-1\n", "mount/cpu,cpuacct/job/cpu.cfs_quota_us")
        try put("100000\n", "mount/cpu,cpuacct/job/cpu.cfs_period_us")
        #expect(quota() == nil)
        try put("50000\n", "mount/cpu,cpuacct/job/cpu.cfs_quota_us")
        #expect(quota() == 0.5)
    }

    /// The plainest is always there; held to one, kernels see no better; what held before comes back.
    @Test func instructionSetsOnlyTakeAway() throws {
        let all = InstructionSet.available
        #expect(all.first?.description == "portable" && all.last == .best)
        for set in all {
            set.limit {
                #expect(InstructionSet.best == set)
                all.first?.limit { #expect(InstructionSet.available == [all[0]]) }
                #expect(InstructionSet.best == set)
            }
        }
        #expect(InstructionSet.available == all)
    }

    @Test func atLeastOneProcessor() {
        #expect((1...Int(sysconf(Int32(_SC_NPROCESSORS_CONF)))).contains(usableProcessors()))
        #expect((1...usableProcessors()).contains(standardThreads()))
    }
}
