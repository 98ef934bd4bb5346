// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Foundation
import Graph
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// Training from a folder of JPEGs, some of them damaged.
@Suite(.serialized) struct ImageNetTrainingTests {
    /// 3 classes of 11 training and 3 validation images; one training image is cut off.
    private func data(in folder: TemporaryFolder, cut: Bool = true) throws -> ImageNet {
        for (label, wnid) in ["n00000001", "n00000002", "n00000003"].enumerated() {
            for (split, count) in [("train", 11), ("val", 3)] {
                try FileManager.default.createDirectory(atPath: "\(folder.path)/\(split)/\(wnid)", withIntermediateDirectories: true)
                for index in 0..<count {
                    let (height, width) = (36 + index, 44 + label)
                    let pixels = (0..<height * width * 3).map { (position: Int) -> UInt8 in
                        UInt8(truncatingIfNeeded: 70 * label + position % 3 * 20 + position / 3 % width + 5 * index)
                    }
                    var bytes = try encodeJPEG(pixels, width: width, height: height, channels: 3)
                    if cut && split == "train" && label == 1 && index == 4 { bytes.removeLast(bytes.count / 3) }
                    try Data(bytes).write(to: URL(fileURLWithPath: "\(folder.path)/\(split)/\(wnid)/\(index).JPEG"))
                }
            }
        }
        return try ImageNet(folder: folder.path, unreadable: UnreadableImages(limit: 3) { _ in })
    }

    private func run(_ data: ImageNet, epochs: Int = 2, changes: [String: String] = [:], precision: Precision = .mixed) throws
        -> RunDescription
    {
        let base = [
            "network": "imagenet-resnet10", "image_size": "32", "crop_padding": "0", "batch_size": "8", "epochs": "\(epochs)",
            "milestones": "[1]"
        ]
        return RunDescription(
            name: "run", dataset: data.name, recipe: try recipe(base.merging(quantizedChanges) { $1 }.merging(changes) { $1 }), seed: 3,
            pretrained: "file", precision: precision)
    }

    private func weights(classes: Int) throws -> SafetensorsFile {
        let network = try Network(
            NetworkGraph.named("imagenet-resnet10", input: FeatureShape(height: 32, width: 32, channels: 3), classes: classes),
            in: ExecutionContext(engine: try Engine(threads: 1), batch: 1))
        network.initialize(seed: 7)
        return network.weightsFile()
    }

    /// 5 steps an epoch, cut within and between epochs, with other numbers of loading threads: the same bits, and the cut-off
    /// image is counted in every epoch.
    @Test(arguments: [3, 5, 7]) func aRunThatIsCutEqualsTheUnbrokenOne(cut: Int) throws {
        let (images, folder) = (try TemporaryFolder(), try TemporaryFolder())
        let data = try data(in: images)
        let run = try run(data)
        var observer = SilentObserver()
        func fresh(dataWorkers: Int) throws -> Trainer {
            let trainer = try Trainer(run, dataset: data, threads: 1, dataWorkers: dataWorkers)
            try trainer.warmStart(from: try weights(classes: 3))
            return trainer
        }
        let unbroken = try fresh(dataWorkers: 1)
        try unbroken.train(checkpoint: nil, observer: &observer)
        let path = "\(folder.path)/run.safetensors"
        try fresh(dataWorkers: 3).train(checkpoint: path, stepLimit: cut, observer: &observer)
        let resumed = try Trainer(run, dataset: data, threads: 1, dataWorkers: 2)
        try resumed.restore(Checkpoint(path: path))
        #expect(resumed.state.epoch * 5 + resumed.state.batch == cut)
        try resumed.train(checkpoint: path, observer: &observer)
        let same = bits(resumed) == bits(unbroken)
        #expect(same)
        #expect(
            resumed.state.curve.map(\.replaced) == [1, 1]
                && resumed.state.curve.allSatisfy { $0.testCount == 9 && ($0.testTop5Hits ?? -1) == 9 })
        #expect(resumed.loading.work.bytes > 0)
    }

    /// A run does not go on with other images than it began with.
    @Test func otherImagesAreRefused() throws {
        let (images, folder) = (try TemporaryFolder(), try TemporaryFolder())
        let data = try data(in: images)
        let (run, path) = (try run(data), "\(folder.path)/run.safetensors")
        var observer = SilentObserver()
        try Trainer(run, dataset: data, threads: 1).train(checkpoint: path, stepLimit: 4, observer: &observer)
        try FileManager.default.removeItem(atPath: "\(images.path)/train/n00000003/0.JPEG")
        let fewer = try ImageNet(folder: images.path, unreadable: UnreadableImages(limit: 3) { _ in })
        let trainer = try Trainer(run, dataset: fewer, threads: 1)
        let error = #expect(throws: CheckpointError.self) { try trainer.restore(Checkpoint(path: path)) }
        #expect(error?.description.contains("was trained on 33 training images of classes") == true)
    }

    /// From a classifier of more classes the data's rows are kept; step sizes are calibrated, the float network not changed.
    @Test func startsFromTheRowsOfALargerClassifier() throws {
        let images = try TemporaryFolder()
        defer { withExtendedLifetime(images) {} }
        let data = try data(in: images)
        let file = try weights(classes: 6)
        let trainer = try Trainer(try run(data), dataset: data, threads: 1)
        try trainer.warmStart(from: file, classes: [5, 0, 2])
        func value(_ name: String) throws -> [Float] { try #require(trainer.network.parameters.first { $0.name == name }).value.values }
        let rows = try file.floats(named: "fc.weight")
        #expect(try value("fc.weight") == Array(rows[5 * 512..<6 * 512] + rows[0..<512] + rows[2 * 512..<3 * 512]))
        #expect(try value("conv1.weight") == file.floats(named: "conv1.weight"))
        #expect(try Set(value("act1.resolution")) != [0])
        #expect(throws: SafetensorsError.self) { try trainer.warmStart(from: file) }
        let float = try run(data, changes: ["method": "float", "weight_bits": "32", "activation_bits": "32"], precision: .f32)
        let floatTrainer = try Trainer(float, dataset: data, threads: 1)
        try floatTrainer.warmStart(from: file, classes: [5, 0, 2])
        #expect(floatTrainer.network.statistics.allSatisfy { tensor in (try? file.floats(named: tensor.name)) == tensor.tensor.values })
    }

    @Test func sizesMustFitTheData() throws {
        let images = try TemporaryFolder()
        defer { withExtendedLifetime(images) {} }
        let data = try data(in: images)
        let small = RunDescription(name: "run", dataset: data.name, recipe: try recipe(), seed: 3, warmStart: nil)
        #expect(throws: ImageSizeError.self) { try Trainer(small, dataset: data, threads: 1) }
        let large = RunDescription(
            name: "run", dataset: "synthetic", recipe: try recipe(["image_size": "32", "crop_padding": "0"]), seed: 3, warmStart: nil)
        #expect(throws: ImageSizeError.self) { try Trainer(large, dataset: syntheticDataset(), threads: 1) }
        for changes in [
            ["image_size": "31", "crop_padding": "0"], ["image_size": "32", "crop_padding": "4"], ["smallest_crop": "0"],
            ["smallest_crop": "1.5"]
        ] {
            #expect(throws: RecipeError.self) { try recipe(changes) }
        }
    }
}
