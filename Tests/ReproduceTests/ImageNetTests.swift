// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Foundation
import Graph
import Testing
import Training

/// `reproduce table3` and `evaluate-weights` on a folder of generated JPEGs, as a user would run them.
@Suite(.serialized) struct ImageNetTests {
    private let folder = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"
    private var data: String { folder + "/data" }
    private var weights: String { folder + "/weights.safetensors" }
    private var list: String { folder + "/classes.txt" }

    /// 3 classes of 12 + 4 images; recipes with the smallest network, 3 epochs and images of 32; weights of a classifier of 6.
    private func withTrial(_ body: () throws -> Void) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (label, wnid) in ["n00000001", "n00000002", "n00000003"].enumerated() {
            for (split, count) in [("train", 12), ("val", 4)] {
                try FileManager.default.createDirectory(atPath: "\(data)/\(split)/\(wnid)", withIntermediateDirectories: true)
                for index in 0..<count {
                    let pixels = (0..<40 * 48 * 3).map { (position: Int) -> UInt8 in
                        UInt8(truncatingIfNeeded: 70 * label + position % 3 * 20 + position / 3 % 48 + 5 * index)
                    }
                    try Data(try encodeJPEG(pixels, width: 48, height: 40, channels: 3)).write(
                        to: URL(fileURLWithPath: "\(data)/\(split)/\(wnid)/\(index).JPEG"))
                }
            }
        }
        try "5 n00000003 c\n1 n00000001 a\n2 n00000002 b\n".write(toFile: list, atomically: true, encoding: .utf8)
        let network = try Network(
            NetworkGraph.named("imagenet-resnet10", input: FeatureShape(height: 32, width: 32, channels: 3), classes: 6),
            in: ExecutionContext(engine: try Engine(threads: 1), batch: 1))
        network.initialize(seed: 7)
        try network.weightsFile().write(to: weights)
        try FileManager.default.copyItem(atPath: Program.package.path + "/Experiments", toPath: folder + "/Experiments")
        try edit("cells.yaml") { $0.replacingOccurrences(of: "imagenet-resnet18", with: "imagenet-resnet10") }
        try edit("protocols/smoke.yaml") { _ in
            "float: { epochs: 2, milestones: [1], image_size: 32, batch_size: 4 }\nquantized: { epochs: 3, milestones: [2], image_size: "
                + "32, batch_size: 4 }\n"
        }
        try body()
    }

    private func edit(_ file: String, _ change: (String) -> String) throws {
        let path = folder + "/Experiments/imagenet/" + file
        try change(try String(contentsOfFile: path, encoding: .utf8)).write(toFile: path, atomically: true, encoding: .utf8)
    }

    private func table3(_ out: String, _ more: [String] = []) -> [String] {
        [
            "table3", "--experiments", folder + "/Experiments", "--data", data, "--classes", list, "--pretrained", weights, "--only",
            "resnet18-1w4a-bcgd", "--precision", "mixed", "--threads", "1", "--out", "\(folder)/\(out)"
        ] + more
    }

    private static let run = "imagenet-3-classes-resnet18-1w4a-bcgd-smoke-seed1-mixed"
    private func checkpoint(_ out: String) -> String { "\(folder)/\(out)/checkpoints/\(Self.run).safetensors" }

    /// The learning curve without the column of times.
    private func curve(_ out: String) throws -> [[String]] {
        let lines = try String(contentsOfFile: "\(folder)/\(out)/runs/\(Self.run)/curve.csv", encoding: .utf8).split(separator: "\n")
        return lines.map { line in Array(line.split(separator: ",", omittingEmptySubsequences: false).map(String.init).prefix(10)) }
    }

    /// kill -9 in the middle of the second epoch, then --resume: the tensors and the curve of the unbroken run, bit for bit.
    @Test func aKilledRunResumesExactly() throws {
        try withTrial {
            let whole = try Program("reproduce", table3("a")).finish()
            #expect(whole.status == 0 && whole.output.contains("imagenet-3-classes") && whole.output.contains("loaded"), "\(whole)")
            #expect(whole.output.contains("  validation ") && !whole.output.contains("  test "), "\(whole)")
            let killed = try Program("reproduce", table3("b", ["--data-workers", "2"]))
            killed.wait(for: "epoch 1/3")
            killed.kill()
            #expect(killed.finish().status != 0)
            let resumed = try Program("reproduce", table3("b", ["--resume", "--loaders", "3"])).finish()
            #expect(resumed.status == 0, "\(resumed)")
            let (a, b) = (try SafetensorsFile(path: checkpoint("a")), try SafetensorsFile(path: checkpoint("b")))
            let same = a.tensors == b.tensors
            #expect(same && !a.tensors.isEmpty)
            #expect(try curve("a") == curve("b") && curve("a").count == 4)
            let table = try String(contentsOfFile: "\(folder)/a/tables/table3.md", encoding: .utf8)
            #expect(
                table.contains("A stand-in: some classes, not ImageNet's 1000,") && table.contains("Top-5, % [95 %]")
                    && !table.contains("64.36"))
        }
    }

    /// A damaged image, and a test image that is none.
    @Test func whatGoesWrongIsSaid() throws {
        try withTrial {
            let victim = "\(data)/train/n00000002/3.JPEG"
            let bytes = try Data(contentsOf: URL(fileURLWithPath: victim))
            try bytes.dropLast(60).write(to: URL(fileURLWithPath: victim))
            let run = try Program("reproduce", table3("a")).finish()
            #expect(
                run.status == 0 && run.output.contains("warning: \(victim) is damaged (Premature end of JPEG file")
                    && run.output.contains("3 replaced"), "\(run)")
            #expect(try curve("a").allSatisfy { $0.count == 10 })
            try expectRefusal(table3("b", ["--max-unreadable", "0"]), "\(victim) is damaged")
            let test = "\(data)/val/n00000001/0.JPEG"
            let kept = try Data(contentsOf: URL(fileURLWithPath: test))
            try Data("no image".utf8).write(to: URL(fileURLWithPath: test))
            try expectRefusal(table3("c"), "an accuracy needs every test image")
            try kept.write(to: URL(fileURLWithPath: test))
        }
    }

    /// The file's own network, evaluated among its three classes; fine-tuned; and refusals.
    @Test func floatNetworksFromAFile() throws {
        try withTrial {
            let only = ["--only", "resnet18-float"]
            let arguments = table3("a").filter { !["--only", "resnet18-1w4a-bcgd"].contains($0) } + only
            let asItIs = try Program("reproduce", arguments).finish()
            #expect(asItIs.status == 0, "\(asItIs)")
            let rows = try String(contentsOfFile: folder + "/a/runs.csv", encoding: .utf8).split(separator: "\n")
            #expect(rows.count == 2 && rows[1].hasPrefix("\"ImageNet, 3 classes\",imagenet-resnet10,32,32,float,smoke,1,0,12,"), "\(rows)")
            try expectRefusal(arguments + ["--resume", "--fine-tune"], "with recipe")
            let tuned = try Program("reproduce", table3("b", ["--fine-tune"])).finish()
            #expect(
                tuned.status == 0 && tuned.output.contains("from the weights of imagenet-3-classes-resnet18-float-smoke-seed1-mixed"),
                "\(tuned)")
            // Without a class list nothing tells which of the six classes the three are.
            let unlisted = arguments.filter { !["--classes", list].contains($0) }.map { $0.replacingOccurrences(of: "/a", with: "/c") }
            try expectRefusal(unlisted, "say with --classes")
            let evaluate = ["evaluate-weights", weights, "--data", data, "--classes", list, "--image-size", "32", "--threads", "1"]
            for (more, words) in [
                ([], "6 classes to choose from"), (["--restrict"], "3 classes to choose from"), (["--resize", "0"], "without resizing")
            ] {
                let evaluated = try Program("reproduce", evaluate + more + ["--record", folder + "/e.csv"]).finish()
                #expect(evaluated.status == 0 && evaluated.output.contains(words) && evaluated.output.contains("top-5"), "\(evaluated)")
            }
            #expect(try String(contentsOfFile: folder + "/e.csv", encoding: .utf8).split(separator: "\n").count == 4)
            try recordsTellWeightsApart(evaluate)
            // A place that this classifier does not have.
            let far = folder + "/far.txt"
            try "5 n00000003 c\n1 n00000001 a\n900 n00000002 b\n".write(toFile: far, atomically: true, encoding: .utf8)
            let beyond = evaluate.map { $0 == list ? far : $0 }
            try expectRefusal(beyond, "a classifier of 6 classes, but ImageNet, 3 classes has one at place 900")
            try expectRefusal(beyond + ["--restrict"], "a classifier of 6 classes, but ImageNet, 3 classes has one at place 900")
            try expectRefusal(evaluate + ["--resize", "10"], "--resize must be 0 or 32 to 2048")
            // Numbers of own classes are no places among ImageNet's 1000.
            var whole = try SafetensorsFile(path: weights)
            whole.tensors["fc.weight"] = StoredTensor(shape: [1000, 512], [Float](repeating: 0, count: 512_000))
            whole.tensors["fc.bias"] = StoredTensor(shape: [1000], [Float](repeating: 0, count: 1000))
            try whole.write(to: folder + "/whole.safetensors")
            for more in [[], ["--restrict"]] {
                let words = evaluate.map { $0 == weights ? folder + "/whole.safetensors" : $0 } + more
                try expectRefusal(words, "n00000001 of ImageNet, 3 classes is none of ImageNet-1k's")
            }
            // A cell of another network is not left out in silence.
            let both = table3("d").map { $0 == "resnet18-1w4a-bcgd" ? "\($0),resnet34-1w4a-bcgd" : $0 }
            try expectRefusal(both, "resnet34-1w4a-bcgd is of imagenet-resnet34: leave it out of --only")
        }
    }

    /// Rows of other weights, and of before weights had a column, stay.
    private func recordsTellWeightsApart(_ evaluate: [String]) throws {
        var file = try SafetensorsFile(path: weights)
        file.tensors["fc.bias"] = StoredTensor(shape: [6], [Float](repeating: 0.5, count: 6))
        try file.write(to: folder + "/other.safetensors")
        func lines(_ record: String, _ weights: String) throws -> [Substring] {
            let words = evaluate.map { $0 == self.weights ? folder + "/" + weights : $0 } + ["--record", folder + "/" + record]
            let (status, output) = try Program("reproduce", words).finish()
            #expect(status == 0, "\(output)")
            return try String(contentsOfFile: folder + "/" + record, encoding: .utf8).split(separator: "\n")
        }
        // Nor are other validation images these.
        let moved = folder + "/moved"
        try FileManager.default.copyItem(atPath: data, toPath: moved)
        try FileManager.default.moveItem(atPath: "\(moved)/val/n00000001/0.JPEG", toPath: "\(moved)/val/n00000001/9.JPEG")
        let elsewhere = try Program("reproduce", evaluate.map { $0 == data ? moved : $0 } + ["--record", folder + "/e.csv"]).finish()
        #expect(elsewhere.status == 0, "\(elsewhere)")
        let rows = try lines("e.csv", "other.safetensors")
        #expect(try rows.count == 6 && lines("e.csv", "other.safetensors").count == 6)
        #expect(Set(rows.dropFirst().compactMap { $0.firstMatch(of: /,file [0-9a-f]{8},/)?.output }).count == 2, "\(rows)")
        let committed = Program.package.path + "/results/imagenet/evaluation.csv"
        try FileManager.default.copyItem(atPath: committed, toPath: folder + "/old.csv")
        let before = try String(contentsOfFile: committed, encoding: .utf8).split(separator: "\n").count
        let after = try lines("old.csv", "other.safetensors")
        #expect(after.count == before + 1 && after[0].hasPrefix("dataset,data_crc32,n_test,network,weights,"), "\(after)")
        #expect(after[1].hasPrefix("\"ImageNet, 10 classes\",,500,imagenet-resnet18,,"), "\(after)")
    }

    /// Weights that are no numbers, in a file and beyond it: no accuracy, and nothing is recorded.
    @Test func weightsThatAreNoNumbersHaveNoAccuracy() throws {
        try withTrial {
            let evaluate = [
                "evaluate-weights", weights, "--data", data, "--classes", list, "--image-size", "32", "--threads", "1", "--record",
                folder + "/e.csv"
            ]
            let whole = try SafetensorsFile(path: weights)
            func refuse(_ name: String, _ words: String, _ change: (inout [Float]) -> Void) throws {
                var (file, values) = (whole, try whole.floats(named: name))
                change(&values)
                file.tensors[name] = StoredTensor(shape: try #require(whole.tensors[name]).shape, values)
                try file.write(to: weights)
                try expectRefusal(evaluate, words)
                try expectRefusal(evaluate + ["--restrict"], words)
                try expectRefusal(table3("n"), words)
            }
            try refuse("fc.weight", "fc.weight holds nan at place 0") { for i in $0.indices { $0[i] = .nan } }
            try refuse("conv1.weight", "conv1.weight holds nan at place 7") { $0[7] = .nan }
            try refuse("bn1.running_var", "bn1.running_var holds -0.5 at place 3 of 64, which is no variance") { $0[3] = -0.5 }
            // Finite weights whose scores are not.
            var file = whole
            file.tensors["fc.weight"] = StoredTensor(shape: [6, 512], [Float](repeating: 3e38, count: 6 * 512))
            try file.write(to: weights)
            try expectRefusal(evaluate, "n00000001/0.JPEG, validation image 1 of 12, has scores that are not finite")
            #expect(!FileManager.default.fileExists(atPath: folder + "/e.csv"))
            try expectRefusal(
                table3("m").map { $0 == "resnet18-1w4a-bcgd" ? "resnet18-float" : $0 }, "the scores of test image 1 of 12 are not finite")
        }
    }

    /// A checkpoint's classes go into its model; a list in another order is refused, for old checkpoints by its digest.
    @Test func theModelsClassesAreTheRuns() throws {
        try withTrial {
            try edit("protocols/smoke.yaml") { _ in
                "float: { epochs: 1, milestones: [], image_size: 32, batch_size: 12 }\nquantized: { epochs: 1, milestones: [], "
                    + "image_size: 32, batch_size: 12 }\n"
            }
            let trained = try Program("reproduce", table3("a")).finish()
            try #require(trained.status == 0, "\(trained)")
            let (names, sorted, model) = (folder + "/names.txt", folder + "/sorted.txt", folder + "/model.bcgd")
            try "a\r\nb\r\nc\r\n".write(toFile: names, atomically: true, encoding: .utf8)
            try "b\na\nc\n".write(toFile: sorted, atomically: true, encoding: .utf8)
            let export = ["export", checkpoint("a"), "-o", model]
            for more in [[], ["--class-names", names]] {
                let exported = try Program("reproduce", export + more).finish()
                #expect(exported.status == 0 && !exported.output.contains("unfinished"), "\(exported)")
                #expect(try Data(contentsOf: URL(fileURLWithPath: model)).range(of: Data("a\nb\nc".utf8)) != nil)
            }
            try expectRefusal(export + ["--class-names", sorted], "of the checkpoint's, class 1 is a, not b")
            // As checkpoints were before they held the names.
            var old = try SafetensorsFile(path: checkpoint("a"))
            old.metadata["classes"] = nil
            old.metadata["checksum"] = Checkpoint.checksum(old)
            try old.write(to: checkpoint("a"))
            try expectRefusal(export, "kept no class names: name a file")
            try expectRefusal(export + ["--class-names", sorted], "sorted.txt has other classes than")
            #expect(try Program("reproduce", export + ["--class-names", names]).finish().status == 0)
            // Another list of as many classes is another run's data.
            try "5 n00000003 a\n1 n00000001 b\n2 n00000002 c\n".write(toFile: list, atomically: true, encoding: .utf8)
            try expectRefusal(["compare-model", checkpoint("a"), model, "--data", data, "--classes", list], "has other classes than")
        }
    }

    /// What `list` plans is what the table would run: the folder's classes and images, the precision.
    @Test func listPlansTheFolder() throws {
        try withTrial {
            let arguments = [
                "list", "--imagenet", "--experiments", folder + "/Experiments", "--data", data, "--classes", list, "--precision", "f32",
                "--threads", "1"
            ]
            try edit("cells.yaml") { _ in
                "base: imagenet.yaml\ncells:\n  - { cell: resnet18-float, network: imagenet-resnet10, method: float }\n"
            }
            for table in ["table3", "figure4"] {
                try edit(table + ".yaml") { _ in "title: t\ncolumns: [network]\ncells: [resnet18-float]\n" }
            }
            let listed = try Program("reproduce", arguments).finish()
            #expect(
                listed.status == 0 && listed.output.contains("ImageNet, 3 classes (36 training and 12 test images), 1 threads, f32"),
                "\(listed)")
        }
    }

    /// Without the images: what to get, where, how large, and how long it would take here.
    @Test func withoutImageNet() throws {
        try withTrial {
            let arguments = ["table3", "--experiments", folder + "/Experiments", "--only", "resnet18-1w4a-bcgd", "--out", folder + "/x"]
            let (status, output) = try Program("reproduce", arguments).finish()
            #expect(status != 0, "\(output)")
            for words in [
                "image-net.org", "138 GB", "6.3 GB", "train/n01440764", "ILSVRC2012_validation_ground_truth.txt",
                "protocol smoke, 3 epochs, would take about"
            ] {
                #expect(output.contains(words), "\(words): \(output)")
            }
            #expect(!FileManager.default.fileExists(atPath: folder + "/x"))
            try expectRefusal(["table3", "--data", "/no/such", "--out", folder + "/x"], "no folder /no/such/train")
            try expectRefusal(["table3", "--fine-tune"], "--fine-tune needs --pretrained")
            try expectRefusal(["table3", "--data-workers", "0"], "--data-workers must be 1 to 64")
        }
    }
}
