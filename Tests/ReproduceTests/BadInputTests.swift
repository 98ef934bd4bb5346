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
        (["--dataset", "mnist"], "table1 is not of MNIST, whose tables are table4"),
        (["--dataset", "imagenet"], "--dataset"),
        (["--experiments", "/no/such/folder"], "no folder /no/such/folder"),
        (["--out", "/dev/null/results"], "/dev/null/results"),
        (["--protocol", "brief"], "protocol brief without images: name CIFAR-10's folder by --data or BCGD_DATA, or say --dataset"),
        (["--protocol", "paper", "--dataset", "cifar-10"], "CIFAR-10: no folder was named"),
        (["--data", "/no/such/folder", "--dataset", "fashion-mnist"], "--data plays no part in --dataset fashion-mnist")
    ])
    func table1(_ arguments: [String], _ words: String) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try expectRefusal(["table1"] + (arguments.contains("--out") ? [] : ["--out", folder]) + arguments, words)
    }

    @Test(
        arguments: [
            ([], "reproduce fetch mnist"),
            (["--data", "/no/such/folder"], "MNIST: there is no /no/such/folder/train-images-idx3-ubyte, nor the same with .gz"),
            (["--only", "resnet20-ste-float"], "no cell resnet20-ste-float")
        ] as [([String], String)])
    func table4(_ arguments: [String], _ words: String) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try expectRefusal(["table4", "--dataset", "mnist", "--out", folder] + arguments, words)
    }

    /// An option that would change nothing, or that says what another denies, is refused before anything is read or trained.
    @Test(
        arguments: [
            (["list", "--imagenet", "--dataset", "mnist"], "--imagenet and --dataset are two data sets"),
            (["list", "--classes", "/no/such"], "--classes is for ImageNet: add --imagenet"),
            (["list", "--network", "25"], "--network is for --nodes"),
            (["plan", "table3", "--dataset", "mnist"], "--dataset is not for table3"),
            (["plan", "table3", "--allow-unofficial-data"], "--allow-unofficial-data is not for table3"),
            (["plan", "table1", "--classes", "/no/such"], "--classes is for table3"),
            (["plan", "table1", "--max-unreadable", "3"], "--max-unreadable is for table3"),
            (["plan", "table1", "--resume"], "lines of a plan say --resume themselves"),
            (["recipes", "--explain", "--experiments", "/no/such"], "leave --experiments out"),
            (["regress", "--record", "--out", "/no/such"], "--out is for a check"),
            (["regress", "--only", "fashion-mnist", "--data", "/no/such"], "--data plays no part in --only fashion-mnist"),
            (["table4", "--instability"], "figure6 has no cell in protocol smoke, but in brief, short, paper: leave --instability out"),
            (["table4", "--instability", "--dataset", "mnist"], "--instability is for figure6, which MNIST does not have"),
            (["figures", "--only", "resnet8-1w4a-bc-statistics"], "resnet8-1w4a-bc-statistics is a cell of figure8: add --statistics"),
            (["classify", "--scores", "--top", "2", "model.bcgd", "a.png"], "leave --top out, or add --json"),
            (["export", "q.onnx", "-o", "z.bcgd"], "`reproduce import` reads ONNX"),
            (["import", "q.onnx", "-o", "z.bcgd", "--mean", "0.5"], "--mean and --std belong together")
        ] as [([String], String)])
    func optionsThatPlayNoPart(_ arguments: [String], _ words: String) throws { try expectRefusal(arguments, words) }

    @Test func anUnknownRecipeKey() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.copyItem(atPath: Program.package.path + "/Experiments", toPath: folder)
        let table = folder + "/paper.yaml"
        let text = try String(contentsOfFile: table, encoding: .utf8)
        try (text + "\ncolour: red\n").write(toFile: table, atomically: true, encoding: .utf8)
        try expectRefusal(["list", "--experiments", folder], "unknown key colour")
    }

    /// A comma for a point, a number without end, and batches that no machine holds: traced to their line, before anything is trained.
    @Test(arguments: [
        ("paper.yaml", "momentum: 0.95", "momentum: 0,95", "paper.yaml:11: momentum must be at least 0 and below 1, not 0,95"),
        (
            "paper.yaml", "weight_decay: 1.0e-4", "weight_decay: .inf",
            "paper.yaml:12: weight_decay must be at least 0 and at most 1000000, not .inf"
        ),
        ("protocols/smoke.yaml", "batch_size: 128", "batch_size: 1000000000", "smoke.yaml:"),
        ("paper.yaml", "batch_size: 128", "batch_size: 60000", "with batches of 60000 images would take about")
    ])
    func impossibleRecipes(_ file: String, _ old: String, _ new: String, _ words: String) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.copyItem(atPath: Program.package.path + "/Experiments", toPath: folder)
        let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
        // A protocol that says nothing of the batch gets a line of its own.
        let changed =
            text.contains(old)
            ? text.replacingOccurrences(of: old, with: new) : text.replacingOccurrences(of: "{ epochs", with: "{ \(new), epochs")
        try #require(changed != text)
        try changed.write(toFile: "\(folder)/\(file)", atomically: true, encoding: .utf8)
        for command in [["list"], ["table1", "--out", folder + "/out"]] {
            try expectRefusal(command + ["--experiments", folder, "--precision", "f32", "--threads", "1"], words)
        }
    }

    /// What plays no part is refused: else someone thinks that it did.
    @Test(arguments: [
        (["--data", "data"], "--data is for --check"), (["--threads", "2"], "--threads is for --check"),
        (["--dataset", "mnist", "--check"], "leave --dataset out"),
        (["--allow-unofficial-data", "--check"], "leave --allow-unofficial-data out")
    ])
    func reportTakesOnlyWhatItUses(options: [String], words: String) throws { try expectRefusal(["report"] + options, words) }

    /// A README whose lines end as on Windows, with a byte-order mark or without a last line end, is the same README.
    @Test func theResultsBlockHasAnyLineEnds() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let readme = folder + "/README.md", text = try String(contentsOfFile: Program.package.path + "/README.md", encoding: .utf8)
        for variant in [text, text.replacingOccurrences(of: "\n", with: "\r\n"), "\u{FEFF}" + text, String(text.dropLast())] {
            try variant.write(toFile: readme, atomically: true, encoding: .utf8)
            let (status, output) = try Program("reproduce", ["report", "--check", "--readme", readme]).finish()
            #expect(status == 0 && !output.contains(readme), "\(status): \(output)")
        }
        try Data(text.utf8.flatMap { [$0, 0] as [UInt8] }).write(to: URL(fileURLWithPath: readme))
        try expectRefusal(["report", "--check", "--readme", readme], readme)
    }

    /// Swift repairs what is not UTF-8, and another file may have the repaired name.
    @Test(arguments: ["\"$reproduce\" classify", "\"$verify\" --out", "\"$benchmark\" infer"]) func pathsAreUTF8(_ call: String) throws {
        let (status, output) = try Program(shell: "\(call) \"$(printf 'mod\\350le.bcgd')\" 2>&1").finish()
        #expect(status != 0 && output.contains("expected arguments in UTF-8, found mod\u{FFFD}le.bcgd"), "\(output)")
    }

    /// With little memory (`ulimit -v`) the refusal comes before the images are trained on, not from the allocator.
    @Test func tooLittleMemory() throws {
        let products = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") as NSString
        let shell = Process(), pipe = Pipe()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = [
            "-c", "ulimit -v 600000; exec \(products.deletingLastPathComponent)/reproduce list --protocol paper --precision f32 --threads 1"
        ]
        shell.currentDirectoryURL = Program.package
        (shell.standardOutput, shell.standardError) = (pipe, pipe)
        try shell.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        shell.waitUntilExit()
        #expect(shell.terminationStatus == 1 && output.contains("MB are left (ulimit -v)"), "\(output.suffix(500))")
    }

    /// The data set, protocol and precision are those of `table1` with the same options.
    @Test func listPlansTheTable() throws {
        for (more, words) in [
            ([], "Fashion-MNIST (60000 training and 10000 test images), 1 threads, f32"),
            (["--data", "/anywhere"], "CIFAR-10 (50000 training and 10000 test images), 1 threads, f32"),
            (["--data", "/anywhere", "--dataset", "mnist"], "MNIST (60000 training and 10000 test images), 1 threads, f32")
        ] {
            let listed = try Program("reproduce", ["list", "--threads", "1", "--precision", "f32"] + more).finish()
            #expect(listed.status == 0 && listed.output.contains("protocol smoke, \(words)"), "\(listed.output.prefix(300))")
        }
    }

    @Test(arguments: [
        (["--threads", "0"], "--threads must be 1 to 256, not 0"), (["--seeds", "0"], "--seeds must be 1 to 1000"),
        (["--record", "--seeds", "9"], "--seeds must be 10 to 1000, not 9"), (["--resume"], "--resume is for --record"),
        (["--only", "cifar-10"], "--only cifar-10 needs --data"), (["--only", "mnist"], "--only"), (["--precision", "f64"], "--precision"),
        (["--data", "/no/such/folder"], "/no/such/folder"),
        (["--baseline", "/no/such/folder"], "no baseline for Fashion-MNIST in f32: none was recorded"),
        (["--experiments", "/no/such/folder"], "there is no folder /no/such/folder here; run from the package's folder, or name it with")
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
        let again = ["--record", "--resume", "--threads", "1"]
        try refusal(committed, "is of another commit, recipe, number of threads or other images", again)
    }
}
