// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import TestSupport
import Testing

/// A folder in ImageNet's layout with generated images.
struct TinyImageNet {
    static let wnids = ["n01440764", "n02102040", "n03888257"]
    private let temporary: TemporaryFolder
    var folder: String { temporary.path }

    /// 10 training and 3 validation images a class, of different sizes, some grey, one CMYK.
    init() throws {
        temporary = try TemporaryFolder()
        for (label, wnid) in Self.wnids.enumerated() {
            for (split, count) in [("train", 10), ("val", 3)] {
                try FileManager.default.createDirectory(atPath: "\(folder)/\(split)/\(wnid)", withIntermediateDirectories: true)
                for index in 0..<count {
                    let channels = index == 1 ? 1 : index == 2 && label == 0 ? 4 : 3
                    try write(Self.jpeg(label: label, index: index, channels: channels), "\(folder)/\(split)/\(wnid)/\(wnid)_\(index).JPEG")
                }
            }
        }
    }

    static func jpeg(label: Int, index: Int, channels: Int = 3) throws -> [UInt8] {
        let (height, width) = (40 + 7 * index, 50 + 3 * label + index)
        let pixels = (0..<height * width * channels).map { (position: Int) -> UInt8 in
            let ramp = position / channels % width * 2
            return UInt8(truncatingIfNeeded: 60 * label + ramp + Int(hashedByte(position, seed: index)) / 8)
        }
        return try encodeJPEG(pixels, width: width, height: height, channels: channels)
    }

    func train(_ label: Int, _ index: Int) -> String { "\(folder)/train/\(Self.wnids[label])/\(Self.wnids[label])_\(index).JPEG" }
}

@Suite(.serialized) struct ImageNetTests {
    private let silent = UnreadableImages(limit: 0) { _ in }

    private func listed(_ text: String, in folder: String) throws -> ClassList {
        try write(Array(text.utf8), "\(folder)/list.txt")
        return try ClassList(contentsOf: "\(folder)/list.txt")
    }

    private func labels(_ split: JPEGSplit) -> [String: Int32] {
        Dictionary(
            uniqueKeysWithValues: (0..<split.count).map { ((split.path(of: $0) as NSString).lastPathComponent, split.label(of: $0)) })
    }

    @Test func foldersAreClasses() throws {
        let tiny = try TinyImageNet()
        let data = try ImageNet(folder: tiny.folder, unreadable: silent)
        #expect(
            data.name == "ImageNet, 3 classes" && data.classes == TinyImageNet.wnids && !data.isOfficial && data.numbers == [0, 217, 701])
        let (train, test) = try data.sources(imageSize: 32)
        #expect(train.count == 30 && test.count == 9 && train.height == 32 && train.width == 32 && train.channels == 3)
        #expect(labels(data.testSplit(CenterCrop(crop: 32)))["n02102040_2.JPEG"] == 1)
        #expect(message { _ = try data.sources(imageSize: nil) }.contains("needs image_size"))
        #expect(
            message {
                _ = try ImageDataset(
                    name: "x", classes: [], train: syntheticSplit(count: 1), test: syntheticSplit(count: 1), isOfficial: true
                ).sources(imageSize: 32)
            }.contains("leave image_size out"))
    }

    /// Other names are other images, wherever they lie; Python's zlib gave the number, and `test_trainer.py` has it too.
    @Test func namesAreToldApart() throws {
        let tiny = try TinyImageNet()
        #expect(try ImageNet(folder: tiny.folder, unreadable: silent).digest == "02a8bedd")
        try FileManager.default.moveItem(atPath: tiny.train(1, 4), toPath: tiny.train(1, 10))
        #expect(try ImageNet(folder: tiny.folder, unreadable: silent).digest != "02a8bedd")
    }

    /// What other systems leave beside files, and whatever else is hidden, is no image.
    @Test func hiddenFilesAreNoImages() throws {
        let tiny = try TinyImageNet()
        for path in ["train/n01440764/._n01440764_0.JPEG", "train/n02102040/.jpeg", "val/n01440764/._n01440764_0.JPEG"] {
            try write([0, 5, 22, 7], "\(tiny.folder)/\(path)")
        }
        let (train, test) = try ImageNet(folder: tiny.folder, unreadable: silent).sources(imageSize: 32)
        #expect(train.count == 30 && test.count == 9)
    }

    /// A class list selects classes and gives their places among all; the labels are its positions, or those places.
    @Test func classListSelects() throws {
        let tiny = try TinyImageNet()
        let list = try listed("# two\n701 n03888257 parachute, chute\n\n217 n02102040\n", in: tiny.folder)
        let data = try ImageNet(folder: tiny.folder, classList: list, unreadable: silent)
        #expect(data.name == "ImageNet, 2 classes" && data.classes == ["n02102040", "parachute, chute"] && data.numbers == [217, 701])
        #expect(labels(data.testSplit(CenterCrop(crop: 32)))["n03888257_0.JPEG"] == 1)
        #expect(labels(data.testSplit(CenterCrop(crop: 32), inAll: true))["n03888257_0.JPEG"] == 701)
        // The same list as the data's own.
        try FileManager.default.moveItem(atPath: "\(tiny.folder)/list.txt", toPath: "\(tiny.folder)/classes.txt")
        #expect(try ImageNet(folder: tiny.folder, unreadable: silent).numbers == [217, 701])
        #expect(
            message {
                _ = try ImageNet(
                    folder: tiny.folder, classList: listed("0 n01440764 t\n999 n09999999 x", in: tiny.folder), unreadable: silent)
            }.contains("n09999999"))
        for (text, words) in [
            ("0 tench", ":1: expected a number, an id"), ("0 n01440764 a\n0 n02102040 b", ":2: 0 or n02102040 was given before"),
            ("0 n01440764 a\n0 n01440764 b", ":2:"), ("# none\n", "holds no class"), ("-1 n01440764 a", ":1:")
        ] {
            #expect(message { _ = try listed(text, in: tiny.folder) }.contains(words))
        }
    }

    /// As published: all validation images in one folder, the truth in ILSVRC2012_IDs, whose order is not that of sorted ids.
    @Test func flatValidationFolder() throws {
        let tiny = try TinyImageNet()
        let ids = [(3, "n01440764", "x"), (1, "n02102040", "y"), (2, "n03888257", "z")]
        for (label, wnid) in TinyImageNet.wnids.enumerated() {
            for index in 0..<3 {  // images 1 2 3 are of class 0, 4 5 6 of class 1, …
                let number = 3 * label + index + 1
                try FileManager.default.moveItem(
                    atPath: "\(tiny.folder)/val/\(wnid)/\(wnid)_\(index).JPEG",
                    toPath: "\(tiny.folder)/val/ILSVRC2012_val_0000000\(number).JPEG")
            }
            try FileManager.default.removeItem(atPath: "\(tiny.folder)/val/\(wnid)")
        }
        func load() throws -> ImageNet { try ImageNet(folder: tiny.folder, unreadable: silent) }
        #expect(message { _ = try load() }.contains("ILSVRC2012_validation_ground_truth.txt"))
        let truth = "\(tiny.folder)/ILSVRC2012_validation_ground_truth.txt"
        try write(Array("3\n3\n3\n1\n1\n1\n2\n2\n2\n".utf8), truth)
        #expect(message { _ = try load() }.contains("devkit_synsets.py"))
        try write(Array(ids.map { "\($0.0) \($0.1) \($0.2)" }.joined(separator: "\n").utf8), "\(tiny.folder)/ILSVRC2012_synsets.txt")
        let expected: [Int32] = [0, 0, 0, 1, 1, 1, 2, 2, 2]
        try write([0, 5, 22, 7], "\(tiny.folder)/val/._ILSVRC2012_val_00000001.JPEG")
        func found() throws -> [Int32] {
            let split = try load().testSplit(CenterCrop(crop: 32))
            #expect((0..<split.count).map { split.path(of: $0) } == (1...9).map { "\(tiny.folder)/val/ILSVRC2012_val_0000000\($0).JPEG" })
            return (0..<split.count).map(split.label)
        }
        #expect(try found() == expected)
        // The other order of columns, in the place where the kit has it.
        try FileManager.default.removeItem(atPath: "\(tiny.folder)/ILSVRC2012_synsets.txt")
        try FileManager.default.createDirectory(atPath: "\(tiny.folder)/ILSVRC2012_devkit_t12/data", withIntermediateDirectories: true)
        try write(
            Array(ids.map { "\($0.1) \($0.0) \($0.2)" }.joined(separator: "\n").utf8),
            "\(tiny.folder)/ILSVRC2012_devkit_t12/data/map_clsloc.txt")
        #expect(try found() == expected)
        // WordNet ids need no second file.
        try write(Array(expected.map { TinyImageNet.wnids[Int($0)] }.joined(separator: "\n").utf8), truth)
        try FileManager.default.removeItem(atPath: "\(tiny.folder)/ILSVRC2012_devkit_t12")
        #expect(try found() == expected)
        try write(Array("3\n".utf8), truth)
        try write(Array("1 n02102040\n".utf8), "\(tiny.folder)/ILSVRC2012_synsets.txt")
        #expect(message { _ = try load() }.contains("no class has the id \"3\""))
    }

    @Test func whatIsMissingIsNamed() throws {
        let tiny = try TinyImageNet()
        for index in 0..<10 { try FileManager.default.removeItem(atPath: tiny.train(1, index)) }
        #expect(message { _ = try ImageNet(folder: tiny.folder, unreadable: silent) }.contains("train/n02102040 holds no .JPEG file"))
        try FileManager.default.removeItem(atPath: "\(tiny.folder)/train")
        let words = message { _ = try ImageNet(folder: tiny.folder, unreadable: silent) }
        #expect(words.contains("no folder \(tiny.folder)/train") && words.contains("image-net.org") && words.contains("138 GB"))
        #expect(try ImageNet(folder: tiny.folder, unreadable: silent, needsTraining: false).testSplit(CenterCrop(crop: 32)).count == 9)
    }

    /// The split's images come through whole; a sample of 50, as all would take a while.
    @Test(.needs(.imageNet))
    func realImages() throws {
        let data = try ImageNet(folder: try RealData.imageNet.requirePath(), unreadable: silent)
        let split = data.testSplit(CenterCrop(crop: 224))
        let reader = try split.reader(augmentation: nil, seed: 0)
        var values = [Float](repeating: 0, count: split.imageSize)
        for image in stride(from: 0, to: split.count, by: max(1, split.count / 50)) {
            let read = try values.withUnsafeMutableBufferPointer { try reader.read(image, epoch: 0, into: $0.baseAddress!) }
            #expect(read.label == split.label(of: image) && read.bytes > 0)
            #expect(Set(values).count > 20, "\(split.path(of: image)) has no content")
        }
    }
}
