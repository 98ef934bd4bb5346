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
}
