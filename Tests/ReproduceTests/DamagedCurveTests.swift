// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

extension ReportTests {
    /// A curve without a row may hold anything: epochs that there are not, constant and huge accuracies.
    @Test func damagedCurvesOfUnfinishedRunsAreNotDrawn() throws {
        try withCopy {
            let run = results + "/runs/unfinished"
            try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
            for (first, last, top1) in [
                ("-9000000000000000000", "9000000000000000000", "50"), ("1", "9000000000000000", "50"), ("1", "2", "1e20"),
                ("1", "2", "nan")
            ] {
                let rows = [first, last].map { "unfinished,1234abcd,1,\($0),0.1,1,50,1,\(top1),100,3,abc,how\n" }.joined()
                let header = "run,recipe_digest,seed,epoch,rate,train_loss,train_top1,test_loss,test_top1,n_test,seconds,commit,how\n"
                try (header + rows).write(toFile: run + "/curve.csv", atomically: true, encoding: .utf8)
                #expect(try report().status == 0)
            }
        }
    }
}
