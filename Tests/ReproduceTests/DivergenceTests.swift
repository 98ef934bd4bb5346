// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// A run on real images (Fashion-MNIST) that diverges is a result: it has a row, the other cells are still run, and `--resume`
/// does not repeat it. What starts from it is not run.
@Suite struct DivergenceTests {
    @Test func divergedRunsAreRecordedAndTheTableGoesOn() throws {
        let out = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"
        let experiments = out + "-experiments"
        defer { [out, experiments].forEach { try? FileManager.default.removeItem(atPath: $0) } }
        try FileManager.default.copyItem(atPath: Program.package.path + "/Experiments", toPath: experiments)
        let recipe = try String(contentsOfFile: experiments + "/paper.yaml", encoding: .utf8)
        let wild = recipe.replacingOccurrences(of: " rate: 0.1 }", with: " rate: 1.0e+30 }")
        try #require(wild != recipe)
        try wild.write(toFile: experiments + "/paper.yaml", atomically: true, encoding: .utf8)

        let arguments = ["table1", "--only", "resnet8-1w4a-bcgd", "--threads", "1", "--experiments", experiments, "--out", out]
        let first = try Program("reproduce", arguments).finish()
        #expect(first.status == 0 && first.output.contains("is not finite in epoch 1, batch"), "\(first)")
        #expect(first.output.contains("not run, since fashion-mnist-resnet8-float-smoke-seed1"), "\(first)")
        #expect(first.output.contains("tables and page: \(out)/index.html\n"), "\(first)")
        let table = try String(contentsOfFile: out + "/tables/table1.md", encoding: .utf8)
        #expect(table.contains("diverged in epoch 1") && table.contains("Without a run: resnet8-1w4a-bcgd,"), "\(table)")

        let second = try Program("reproduce", arguments + ["--resume"]).finish()
        #expect(
            second.status == 0 && second.output.contains("diverged before, in epoch 1") && second.output.contains("not run, since"),
            "\(second)")
        #expect(try String(contentsOfFile: out + "/tables/table1.md", encoding: .utf8) == table)

        // With another recipe the setting is named; where the old recipe was lost, that is said.
        let other = Array(arguments.dropLast(4)) + ["--out", out, "--resume"]
        try expectRefusal(other, "(rate: 1e+30, now 0.1)")
        let row = try #require(String(contentsOfFile: out + "/runs.csv", encoding: .utf8).split(separator: "\n").last)
        #expect(row.contains("swift run -c release reproduce table1 --only resnet8-1w4a-bcgd --threads 1 --experiments"), "\(row)")
        try FileManager.default.removeItem(atPath: out + "/recipes")
        try expectRefusal(other, "which settings changed is not known: there is no \(out)/recipes/")
    }
}
