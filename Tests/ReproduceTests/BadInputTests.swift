// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// What a user may get wrong: one clear line, and a status that is not zero.
@Suite(.serialized) struct BadInputTests {
    private let folder = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"

    @Test(arguments: [
        (["--threads", "0"], "--threads must be 1 to 256, not 0"),
        (["--seeds", "one"], "--seeds must be whole numbers"),
        (["--seeds", "1,1"], "--seeds must name each seed once"),
        (["--protocol", "long"], "--protocol"),
        (["--only", "alexnet"], "no cell alexnet"),
        (["--only", ""], "--only"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
        (["--experiments", "/no/such/folder"], "no folder /no/such/folder"),
        (["--out", "/dev/null/results"], "/dev/null/results"),
    ])
    func table1(_ arguments: [String], _ words: String) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try expectRefusal(["table1"] + (arguments.contains("--out") ? [] : ["--out", folder]) + arguments, words)
    }

    @Test func anUnknownRecipeKey() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.copyItem(atPath: Program.package.path + "/Experiments", toPath: folder)
        let table = folder + "/paper.yaml"
        let text = try String(contentsOfFile: table, encoding: .utf8)
        try (text + "\ncolour: red\n").write(toFile: table, atomically: true, encoding: .utf8)
        try expectRefusal(["list", "--experiments", folder], "unknown key colour")
    }

    @Test(arguments: [
        (["--threads", "0"], "--threads must be 1 to 256, not 0"), (["--seeds", "0"], "--seeds must be 1 to 1000"),
        (["--record", "--seeds", "9"], "--seeds must be 10 to 1000, not 9"), (["--resume"], "--resume is for --record"),
        (["--only", "cifar-10"], "--only cifar-10 needs --data"), (["--only", "mnist"], "--only"), (["--precision", "f64"], "--precision"),
        (["--data", "/no/such/folder"], "/no/such/folder"), (["--baseline", "/no/such/folder"], "no baseline for Fashion-MNIST in f32: none was recorded"),
        (["--experiments", "/no/such/folder"], "/no/such/folder/regress.yaml"),
    ])
    func regress(_ arguments: [String], _ words: String) throws { try expectRefusal(["regress", "--precision", "f32"] + arguments, words) }

    /// A baseline of another recipe or other columns, and a recording that was stopped.
    @Test func regressBaselines() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let committed = try String(contentsOfFile: Program.package.path + "/results/regress/seeds.csv", encoding: .utf8)
        let digest = try #require(committed.split(separator: "\n").dropFirst().first?.split(separator: ",")[6])
        func refusal(_ text: String, _ words: String, _ more: [String] = []) throws {
            try text.write(toFile: folder + "/seeds.csv", atomically: true, encoding: .utf8)
            try expectRefusal(["regress", "--precision", "f32", "--baseline", folder] + more, words)
        }
        try refusal(committed.replacingOccurrences(of: digest, with: "00000000"), "recorded with recipe 00000000, now it is \(digest)")
        try refusal(committed.replacingOccurrences(of: "float.test_loss", with: "float.loss"), "other statistics")
        try refusal("dataset\n", "expected the columns")
        try committed.write(toFile: folder + "/recording-fashion-mnist-f32.csv", atomically: true, encoding: .utf8)
        try refusal(committed, "add --resume to go on with it", ["--record"])
        try refusal(committed, "is of another commit, recipe or number of threads", ["--record", "--resume", "--threads", "1"])
    }
}
