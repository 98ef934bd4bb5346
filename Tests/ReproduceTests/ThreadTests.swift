// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// Fewer threads than asked for are refused or made do with, and a run keeps its own number.
@Suite(.serialized) struct ThreadTests {
    private let out = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"

    /// oneDNN left the missing threads' share of its sums undone: accuracies of 38.60 % in place of 69.40 % with exit status 0.
    @Test(arguments: [["OMP_THREAD_LIMIT": "1"], ["OMP_MAX_ACTIVE_LEVELS": "0"]])
    func fewerThreadsThanAskedForAreRefused(_ limit: [String: String]) throws {
        defer { try? FileManager.default.removeItem(atPath: out) }
        let words = "2 threads were asked for, but OpenMP starts only 1: use --threads 1"
        for precision in ["f32", "mixed"] {
            let training = ["table1", "--only", "resnet8-float", "--precision", precision, "--out", out]
            try expectRefusal(training + ["--threads", "2"], words, environment: limit)
        }
        try expectRefusal(["list", "--protocol", "smoke", "--threads", "2"], words, environment: limit)
    }

    @Test func whereNoneIsAskedForThoseThatThereAreCompute() throws {
        defer { try? FileManager.default.removeItem(atPath: out) }
        let arguments = ["table1", "--only", "resnet8-float", "--precision", "f32", "--out", out]
        let limited = try Program("reproduce", arguments, environment: ["OMP_THREAD_LIMIT": "1"])
        limited.wait(for: "from the start")
        Thread.sleep(forTimeInterval: 1)  // some steps
        limited.interrupt()
        #expect(limited.finish().status == 130)
        // The run has one thread from now on; another number is refused, and without one it is taken from the checkpoint.
        try expectRefusal(arguments + ["--resume", "--threads", "2"], "was computed by 1 threads, on which its last bits depend")
        let resumed = try Program("reproduce", arguments + ["--resume"])
        resumed.wait(for: "going on from epoch")
        resumed.interrupt()
        let end = resumed.finish()
        #expect(end.status == 130, "\(end)")
    }

    /// Our own kernels do the missing threads' work: the same numbers, to the last digit.
    @Test func theoryIsTheSameUnderALimit() throws {
        defer { try? FileManager.default.removeItem(atPath: out) }
        func tests(_ folder: String, _ environment: [String: String]) throws -> String {
            let arguments = ["--samples", "262144", "--claims", "loss,correlation-relu", "--threads", "2", "--out", "\(out)/\(folder)"]
            let end = try Program("verify-theory", arguments, environment: environment).finish()
            #expect(end.status == 0, "\(end)")
            return try String(contentsOfFile: "\(out)/\(folder)/theory-tests.csv", encoding: .utf8)
        }
        #expect(try tests("free", [:]) == tests("limited", ["OMP_THREAD_LIMIT": "1"]))
    }
}
