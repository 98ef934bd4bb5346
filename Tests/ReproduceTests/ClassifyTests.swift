// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Foundation
import Testing

/// `export` and `classify` as a user types them.
@Suite(.serialized) final class ClassifyTests {
    private let folder = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"
    private var model: String { folder + "/model.bcgd" }

    init() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let made = try Program("benchmark-step", ["model", "--network", "resnet8", model]).finish()
        try #require(made.status == 0, "\(made.output)")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func image(_ name: String, side: Int) throws -> String {
        let path = "\(folder)/\(name)"
        try (Data("P6 \(side) \(side) 255\n".utf8) + Data((0..<side * side * 3).map { UInt8(truncatingIfNeeded: $0 * 7) })).write(
            to: URL(fileURLWithPath: path))
        return path
    }

    @Test func namesTheFiveBestClasses() throws {
        let path = try image("a.ppm", side: 32)
        let (status, output) = try Program("reproduce", ["classify", model, path, path]).finish()
        let lines = output.split(separator: "\n").map(String.init)
        #expect(status == 0 && lines.count == 12 && lines[0] == path && lines[6] == path, "\(output)")
        let percent = lines[1...5].compactMap { Double($0.split(separator: " ")[0]) }
        #expect(percent.count == 5 && percent == percent.sorted(by: >) && lines[1].contains("class "), "\(output)")
        let other = try image("b.ppm", side: 40)
        #expect(try Program("reproduce", ["classify", "--resize", model, other]).finish().status == 0)
        try expectRefusal(["classify", model, other], "40×40 pixels, the model takes 32×32")
    }

    /// Every path of the processor says the same; one that it lacks (arm64's or x86-64's), or that there is not, is refused.
    @Test func pathsAreForcedByName() throws {
        let file = try image("a.ppm", side: 32)
        let expected = try Program("reproduce", ["classify", model, file]).finish()
        for path in Classifier.Path.available {
            let found = try Program("reproduce", ["classify", "--path", path.rawValue, model, file]).finish()
            #expect(found.status == 0 && found.output == expected.output, "\(path): \(found.output)")
            let lines = try Program(shell: "echo go 1 | \"$benchmark\" infer --path \(path.rawValue) '\(model)'").finish().output
            #expect(lines.contains("\"path\":\"\(path.rawValue)\""), "\(lines)")
        }
        #if arch(x86_64)
        try expectRefusal(["classify", "--path", "neon", model, file], "lacks the instructions of the path neon; it has best, portable")
        #endif
        try expectRefusal(["classify", "--path", "fast", model, file], "there is no path \"fast\"; it has best, portable")
    }

    /// One bad file of many: named in one line, the others classified, and the exit status says so.
    @Test func goesOnAfterBadImages() throws {
        let (good, other) = (try image("a.ppm", side: 32), try image("b.ppm", side: 32))
        let (bad, pipe) = ("\(folder)/bad.png", "\(folder)/pipe.jpg")
        try Data([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]).write(to: URL(fileURLWithPath: bad))
        try #require(mkfifo(pipe, 0o600) == 0)
        let (status, output) = try Program(
            "reproduce", ["classify", model, bad, good, folder + "/none.png", pipe, "/proc/self/fdinfo", other]
        ).finish()
        let lines = output.split(separator: "\n").map(String.init)
        #expect(status == 1 && lines.count == 16, "\(output)")
        let errors = lines.filter { $0.hasPrefix("Error: ") }
        #expect(
            errors.count == 4
                && zip(
                    errors,
                    [
                        "bad.png is a damaged PNG", "none.png: No such file", "pipe.jpg: it is no regular file",
                        "/proc/self/fdinfo holds no images"
                    ]
                ).allSatisfy { $0.contains($1) }, "\(output)")
        #expect(lines.filter { $0 == good || $0 == other } == [good, other])
    }

    private struct Line: Decodable {
        struct Class: Decodable { let name: String, probability: Double }
        let image: String
        let classes: [Class]?, scores: [Float]?, error: String?
    }

    /// A list of paths, from a file and from standard input, with what it leaves out; as JSON a line an image, a bad one's too.
    @Test func listsAndJSON() throws {
        let (good, other) = (try image("a.ppm", side: 32), try image("b.ppm", side: 32))
        let list = "\(folder)/list.txt"
        try "\(good)\r\n\n\(folder)/none.png\n\(other)".write(toFile: list, atomically: true, encoding: .utf8)
        let plain = try Program("reproduce", ["classify", model, "--list", list]).finish()
        #expect(plain.status == 1 && plain.output.split(separator: "\n").count == 13, "\(plain.output)")
        let (status, output) = try Program(
            shell: "\"$reproduce\" classify --json --scores --top 2 --list - '\(model)' '\(other)' <'\(list)' 2>/dev/null"
        ).finish()
        let lines = try output.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        #expect(status == 1 && lines.map(\.image) == [other, good, folder + "/none.png", other], "\(output)")
        #expect(lines.map { $0.error != nil } == [false, false, true, false] && lines[2].classes == nil && lines[2].scores == nil)
        #expect(
            lines[0].classes?.count == 2 && lines[0].scores?.count == 10
                && lines[0].classes?.first?.probability ?? 0 >= lines[0].classes?.last?.probability ?? 1)
        try expectRefusal(["classify", model, "--list", folder + "/none.txt"], "none.txt: No such file")
    }

    /// A folder stands for its images, in the order of their paths, those of folders in it too; other files do not count.
    @Test func aFolderIsItsImages() throws {
        try FileManager.default.createDirectory(atPath: folder + "/images/in", withIntermediateDirectories: true)
        let paths = try ["images/b.PPM", "images/in/c.ppm", "images/a.ppm"].map { try image($0, side: 32) }
        _ = try (image("images/.hidden.ppm", side: 32), image("images/notes.txt", side: 32))
        let (status, output) = try Program("reproduce", ["classify", "--scores", model, folder + "/images"]).finish()
        let rows = output.split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
        #expect(status == 0 && rows.map(\.[0]) == [paths[2], paths[0], paths[1]], "\(output)")
        #expect(rows.allSatisfy { $0.count == 11 && $0.dropFirst().allSatisfy { Float($0) != nil } })
    }

    /// The format knows images of 1 to 4 channels, files have 1 or 3.
    @Test func otherChannelsAreRefused() throws {
        let one = [Float](repeating: 1, count: 16)
        let bytes = try PackedModelContents(
            input: .init(height: 1, width: 1, channels: 2), mean: [0, 0], std: [1, 1], fitting: .none, classes: ["x"], provenance: "",
            entries: [
                .init(
                    .init(name: "a", kind: .first, weightBits: 1, activationBits: 1, input: -1, outputChannels: 16, scaleCount: 1),
                    integerWeights: [Int8](repeating: 1, count: 32), scales: [1], a: one, b: one),
                .init(
                    .init(name: "b", kind: .classifier, weightBits: 1, input: 0, outputChannels: 1, scaleCount: 1),
                    integerWeights: [Int8](repeating: 1, count: 16), scales: [1], b: [0])
            ]
        ).encoded()
        try bytes.write(to: URL(fileURLWithPath: folder + "/two.bcgd"))
        try expectRefusal(["classify", folder + "/two.bcgd", image("a.ppm", side: 1)], "takes images of 2 channels")
    }

    @Test func exportsONNXFromAPackedModel() throws {
        for form in ["float", "qonnx", "unrounded"] {
            let graph = "\(folder)/\(form).onnx"
            #expect(try Program("reproduce", ["export", model, "-o", graph, "--form", form]).finish().status == 0)
            // IR version 8 and the producer, as onnx.proto lays them out.
            #expect(try Data(contentsOf: URL(fileURLWithPath: graph)).prefix(8) == Data([8, 8, 18, 4]) + Data("bcgd".utf8))
        }
        // What the file says of its images is not overruled by a data set's name.
        let again = ["import", "\(folder)/qonnx.onnx", "-o", "\(folder)/again.bcgd", "--dataset", "cifar-10"]
        try expectRefusal(again, "qonnx.onnx says of its images: classes class 0, class 1, class 2, …, which are not those of --dataset")
    }

    @Test func badInput() throws {
        let path = try image("a.ppm", side: 32)
        try expectRefusal(["classify", path, path], "not a packed model")
        try expectRefusal(["classify", folder + "/none.bcgd", path], "No such file")
        try expectRefusal(["classify", model, folder + "/none.png"], "cannot read \(folder)/none.png: No such file")
        try expectRefusal(["classify", model, model], "no image that is read here")
        try expectRefusal(["classify", model], "image")
        try expectRefusal(["export", folder + "/none.safetensors", "-o", folder + "/a.bcgd"], "No such file")
        try expectRefusal(["export", model, "-o", folder + "/a.bcgd", "--form", "float"], "--form is for ONNX files")
        try expectRefusal(["export", model, "-o", folder + "/a.onnx", "--class-names", path], "--class-names is for checkpoints")
        try expectRefusal(["export", model, "-o", folder + "/a.onnx", "--unfinished"], "--unfinished is for checkpoints")
        try expectRefusal(["export", path, "-o", folder + "/a.bcgd"], "not safetensors")
        try expectRefusal(["export", model, "-o", folder + "/a.txt"], "must end in .bcgd, .onnx or .safetensors")
        try expectRefusal(["export", model, "-o", folder + "/a.safetensors"], "it takes a checkpoint")
        try expectRefusal(["export", model, "-o", "/dev/null/a.onnx"], "/dev/null/a.onnx")
    }
}
