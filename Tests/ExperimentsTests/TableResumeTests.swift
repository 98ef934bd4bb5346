// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Experiments
import Foundation
import TestSupport
import Testing
import TrainingTestSupport
import Training

/// What a folder holds already, and what of it is made again.
extension TableRunnerTests {
    private var files: FileManager { .default }
    private func checkpoint(_ out: String, _ run: String) -> String { "\(folder.path)/\(out)/checkpoints/\(run).safetensors" }

    /// A float run without its checkpoint is trained again where another needs it, and only there; one that came finished has its curve.
    @Test func aLostCheckpointIsTrainedAgain() throws {
        try run(["resnet8-float"], in: "a")
        let path = "\(folder.path)/a/checkpoints/\(names(1)[0]).safetensors", rows = try output("a").rows()
        let first = try tensors("a", names(1)[0])
        try FileManager.default.moveItem(atPath: path, toPath: "\(output("c").path)/checkpoints/\(names(1)[0]).safetensors")
        try run(["resnet8-float"], in: "c", resume: true)
        #expect(try curve("c", names(1)[0]) == curve("a", names(1)[0]) && output("c").rows()[0].correctFinal == rows[0].correctFinal)
        try run(["resnet8-float"], in: "a", resume: true)
        #expect(!FileManager.default.fileExists(atPath: path))
        try run(["resnet8-1w4a-bcgd"], in: "a", resume: true)
        let again = try output("a").rows(), isSame = try tensors("a", names(1)[0]) == first
        #expect(isSame && again.map(\.name) == names(1) && again[0].correctFinal == rows[0].correctFinal)
    }

    /// A float run that diverges has a row without accuracy; what starts from it is not run, other cells are.
    @Test func divergenceIsAResult() throws {
        try schedule(batch: 16, learningRate: ", rate: 1.0e+30")
        try run(["resnet8-1w4a-bcgd"], in: "a")
        let rows = try output("a").rows()
        #expect(rows.map(\.name) == [names(1)[0]] && rows[0].divergedEpoch == 1)
    }

    /// What starts from a run that was not run is not run either, and nothing ends.
    @Test func divergenceIsPassedOn() throws {
        try schedule(batch: 16, learningRate: ", rate: 1.0e+30")
        let cells = try String(contentsOfFile: folder.path + "/E/cells.yaml", encoding: .utf8)
        let after = "\n  - { cell: after, method: bc, protocols: [smoke], network: resnet8, weight_bits: 1, activation_bits: 4, start: "
        _ = try folder.write(cells + after + "resnet8-1w4a-bcgd }\n", to: "E/cells.yaml")
        _ = try folder.write("title: T\ncolumns: [bits]\ncells: [after]\n", to: "E/table1.yaml")
        try run(["after"], seeds: [1, 2], in: "a")
        #expect(try output("a").rows().map(\.name) == [names(1)[0], names(2)[0]])
    }

    /// Trained again for its checkpoint alone, a run may be stopped and goes on; its row and curve stay as they were.
    @Test func whatIsTrainedAgainMayBeStopped() throws {
        let (float, stop) = (names(1)[0], StopRequest())
        try run(["resnet8-1w4a-bcgd"], in: "a")
        let (rows, before) = (try output("a").rows(), try curve("a", float))
        try files.removeItem(atPath: checkpoint("a", float))
        try run(["resnet8-1w4a-bc"], in: "a", resume: true, on: StoppingDataset(data, epoch: 1, stop), stop: stop, command: "second")
        #expect(try output("a").rows() == rows && curve("a", float) == before && files.fileExists(atPath: checkpoint("a", float)))
        try run(["resnet8-1w4a-bc"], in: "a", resume: true, command: "third")
        let all = try output("a").rows()
        #expect(try Array(all.prefix(2)) == rows && all.count == 3 && curve("a", float) == before)
    }

    /// A run that comes to another network when it is trained again is refused, each time.
    @Test func whatIsTrainedAgainIsTheSameNetwork() throws {
        let float = names(1)[0]
        try run(["resnet8-float"], in: "a")
        let rows = try output("a").rows(), row = try #require(rows.first)
        var correct = try #require(try output("a").outcomes(row)).correct
        let (right, wrong) = (try #require(correct.firstIndex(of: true)), try #require(correct.firstIndex(of: false)))
        correct.swapAt(right, wrong)
        try ImageOutcomes(correct).write(to: output("a").correct(float))
        try files.removeItem(atPath: checkpoint("a", float))
        for _ in 1...2 {
            #expect { try run(["resnet8-1w4a-bcgd"], in: "a", resume: true) } throws: {
                "\($0)".contains("was trained again, as its checkpoint was not there, and 2 test images come out otherwise")
            }
            #expect(try output("a").rows() == rows && !files.fileExists(atPath: checkpoint("a", float)))
        }
    }

    /// Files of other images have the same names: theirs stay.
    @Test func otherFilesTakeAnotherFolder() throws {
        struct Unofficial: Dataset {
            let images: ImageDataset
            var name: String { images.name }
            var classes: [String] { images.classes }
            var isOfficial: Bool { false }
            func sources(imageSize: Int?) throws -> (train: any ImageSource, test: any ImageSource) { (images.train, images.test) }
        }
        try run(["resnet8-float"], in: "a")
        try files.removeItem(atPath: checkpoint("a", names(1)[0]))
        let rows = try output("a").rows()
        for resume in [false, true] {
            #expect { try run(["resnet8-float"], in: "a", resume: resume, on: Unofficial(images: data)) } throws: {
                "\($0)".contains("holds synthetic-resnet8-float-smoke-seed1 on official files, here they are unofficial")
            }
        }
        #expect(try output("a").rows() == rows)
    }

    /// Other images under the same name: neither the same run, nor another seed, nor another cell stands beside these.
    @Test func otherImagesTakeAnotherFolder() throws {
        let others = syntheticDataset(train: 32, test: 21)
        try run(["resnet8-float"], in: "a")
        let rows = try output("a").rows()
        let (ours, theirs) = (try #require(data.fingerprint), try #require(others.fingerprint))
        #expect(rows.map(\.provenance.data) == [ours] && ours != theirs)
        for (cell, seed) in [("resnet8-float", 1), ("resnet8-float", 2), ("resnet8-1w4a-bcgd", 1)] as [(String, UInt64)] {
            #expect { try run([cell], seeds: [seed], in: "a", resume: true, on: others) } throws: {
                "\($0)".contains("on other images than these, though both say synthetic (data_crc32 \(ours), here \(theirs))")
            }
        }
        // Another data set whose files would have the same names, and one without any.
        for (name, words) in [("synthetic+", "of synthetic, here they are of synthetic+"), ("+", "a data set's name is letters")] {
            let other = ImageDataset(name: name, classes: data.classes, train: data.train, test: data.test, isOfficial: true)
            #expect { try run(["resnet8-float"], in: "a", resume: true, on: other) } throws: { "\($0)".contains(words) }
        }
        #expect(try output("a").rows() == rows)
        // Rows from before the images were kept say nothing of theirs; two that say different ones are refused.
        let path = try output("a").runs, whole = try String(contentsOfFile: path, encoding: .utf8)
        try whole.replacing(ours, with: "").replacing(",data_crc32", with: "").replacing(",,first", with: ",first").write(
            toFile: path, atomically: true, encoding: .utf8)
        try run(["resnet8-float"], seeds: [1, 2], in: "a", resume: true)
        #expect(try output("a").rows().map(\.provenance.data) == [nil, ours])
        try run(["resnet8-float"], seeds: [1, 3], in: "a", resume: true)
        let more = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        try (more.dropLast() + [more[3].replacing(ours, with: theirs)]).joined(separator: "\n").write(
            toFile: path, atomically: true, encoding: .utf8)
        #expect { try ResultFiles(try output("a"), experiments: ExperimentFolder(folder.path + "/E")).write() } throws: {
            "\($0)".contains("seed2 and synthetic-resnet8-float-smoke-seed3 are on different images, though both say synthetic")
        }
        try whole.replacing(ours, with: "12345").write(toFile: path, atomically: true, encoding: .utf8)
        #expect { try output("a").rows() } throws: { "\($0)".contains("row 1, data_crc32: expected eight hexadecimal digits") }
    }

    /// Tables show the reported values as they are now; rows that no protocol would run any more are refused.
    @Test func rowsAreWhatTheExperimentsSayNow() throws {
        try run(["resnet8-float"], in: "a")
        let all = ExperimentFolder(folder.path + "/E"), reported = folder.path + "/E/reported.csv", cells = folder.path + "/E/cells.yaml"
        let (values, definitions) = (
            try String(contentsOfFile: reported, encoding: .utf8), try String(contentsOfFile: cells, encoding: .utf8)
        )
        _ = try folder.write(values + "synthetic/resnet8-float,top-1,77.70,%,primary,a source\n", to: "E/reported.csv")
        try ResultFiles(try output("a"), experiments: all).write()
        #expect(try String(contentsOfFile: "\(folder.path)/a/tables/table1.md", encoding: .utf8).contains(" 77.70 |"))
        let line = "{ cell: resnet8-float, protocols: [smoke]"
        #expect(definitions.contains(line))
        _ = try folder.write(definitions.replacing(line, with: line.replacing("smoke", with: "short")), to: "E/cells.yaml")
        #expect { try ResultFiles(try output("a"), experiments: all) } throws: {
            "\($0)".contains("of a cell that \(cells) no longer has in protocol smoke")
        }
    }
}
