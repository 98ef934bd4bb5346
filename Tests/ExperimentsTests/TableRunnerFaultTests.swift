// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Experiments
import Foundation
import TestSupport
import Testing

/// What must not end, or begin, a training.
extension TableRunnerTests {
    private final class FullLog: ScalarLog {
        let lastStep: Int? = nil
        private let begun: () throws -> Void
        init(_ begun: @escaping () throws -> Void) { self.begun = begun }
        func append(step: Int, _ scalars: [(tag: String, value: Double)]) throws {
            try begun()
            throw CocoaError(.fileWriteOutOfSpace)
        }
    }

    /// A log that cannot be written, and tables whose layout somebody has broken meanwhile: all runs are trained and recorded, and the
    /// tables are an error at the end.
    @Test func neitherTablesNorLogsEndATraining() throws {
        let layout = folder.path + "/E/table1.yaml", good = try String(contentsOfFile: layout, encoding: .utf8)
        let watching = Watching { _ in FullLog { try Data("title: [".utf8).write(to: URL(fileURLWithPath: layout)) } }
        #expect { try run(["resnet8-float"], seeds: [1, 2], in: "f", watching: watching) } throws: { "\($0)".contains("table1.yaml") }
        #expect(try output("f").rows().map(\.seed) == [1, 2])
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/f/tables/table1.md"))
        try good.write(toFile: layout, atomically: true, encoding: .utf8)
        try run(["resnet8-float"], seeds: [1, 2], in: "f", resume: true)
        #expect(FileManager.default.fileExists(atPath: folder.path + "/f/tables/table1.md"))
        // A log that cannot be opened: an error at first, when somebody looks on.
        let closed = Watching { run in
            guard run.contains("seed1") else { throw CocoaError(.fileWriteNoPermission) }
            return FullLog {}
        }
        #expect(throws: CocoaError.self) { try run(["resnet8-float"], seeds: [2], in: "g", watching: closed) }
        try run(["resnet8-float"], seeds: [1, 2], in: "g", watching: closed)
        #expect(try output("g").rows().map(\.seed) == [1, 2])
    }

    /// What cannot be trained is said before the float run, which it would start from, has had its hours.
    @Test(arguments: [
        (
            "method: bc, weight_bits: 2, weight_quantizer: dorefa, layer_bits: { first: 8, last: 8 }",
            "impossible: layer_bits: first (conv1) must be 2 to 7"
        ), ("weight_bits: 1, layer_bits: { conv9: 8 }", "impossible: layer_bits names conv9, which resnet8 does not have"),
        ("weight_bits: 1, validation_images: 8", "impossible starts from resnet8-float, which has another network or other"),
        ("weight_bits: 1, batch_norm_affine: false", "impossible has batch_norm_affine: false, but starts from resnet8-float")
    ])
    func impossibleCellsAreFoundBeforeTraining(_ settings: String, _ words: String) throws {
        let cells = try String(contentsOfFile: folder.path + "/E/cells.yaml", encoding: .utf8)
        let cell = "  - { cell: impossible, protocols: [smoke], network: resnet8, activation_bits: 4, \(settings) }"
        _ = try folder.write(cells + "\n" + cell + "\n", to: "E/cells.yaml")
        _ = try folder.write("title: T\ncolumns: [bits]\ncells: [impossible]\n", to: "E/table1.yaml")
        let said = message { try run(["impossible"], in: "i") }
        #expect(said.contains(words), "\(said)")
        #expect(try output("i").rows().isEmpty)
    }

    /// The default precision is the processor's: on another one `--resume` would begin the run anew, and says so.
    @Test func aRunOfAnotherDefaultPrecisionIsNotBegunAnew() throws {
        let other = try #require(Precision.allCases.first { $0 != .best })
        try run(["resnet8-float"], in: "p", precision: other)
        let name = names(1)[0] + (other == .f32 ? "" : "-\(other.rawValue)")
        #expect { try run(["resnet8-float"], in: "p", resume: true, precision: nil) } throws: {
            "\($0)".contains("holds \(name), but here \(Precision.best.rawValue) is the default: add --float-precision \(other.rawValue)")
        }
        try run(["resnet8-float"], in: "p", resume: true, precision: .best)
        try run(["resnet8-float"], in: "p", resume: true, precision: nil)
        #expect(try output("p").rows().count == 2)
        // Rows of other files are no run of these.
        let unofficial = ImageDataset(name: data.name, classes: data.classes, train: data.train, test: data.test, isOfficial: false)
        try run(["resnet8-float"], in: "q", precision: other)
        try FileManager.default.removeItem(atPath: folder.path + "/q/checkpoints/\(name).safetensors")
        try run(["resnet8-float"], in: "q", resume: true, on: unofficial, precision: nil)
        #expect(try output("q").rows().count == 2)
    }
}
