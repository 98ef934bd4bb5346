// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Datasets
import Files
import Foundation

extension Reader {
    static let datasets = [
        Reader(name: "cifar10", about: "the three files of a tiny CIFAR-10, of which one is the input") { folder in
            let names = ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]
            let file = (0..<2).flatMap { record in [UInt8(record)] + (0..<3072).map { UInt8(truncatingIfNeeded: 11 * $0 + record) } }
            for name in names { try write(file, "\(folder)/\(name)") }
            let sums = Array(zip(names, try sha256(ofFiles: names.map { "\(folder)/\($0)" }))).map { (name: $0, sha256: $1) }
            let release = CIFAR10Release(
                url: "none", archiveBytes: 0, archiveSHA256: "", recordsPerFile: 2, trainFiles: Array(sums.prefix(2)),
                testFiles: Array(sums.suffix(1)))
            return Session(seeds: [Seed(file), Seed(file, hot: 3072..<3075)]) { input, _ in
                try write(input, "\(folder)/\(names[1])")
                let data = try CIFAR10.load(folder: folder, allowUnofficial: true, release: release)
                try need(data.isOfficial == (input == file), "it is \(data.isOfficial ? "" : "not ")official")
                try check(data.train, count: 4, classes: 10)
            }
        },
        Reader(name: "idx", about: "raw and gzipped IDX files of a tiny MNIST, of which one is the input") { folder in
            let images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28] + (0..<2 * 784).map { UInt8(truncatingIfNeeded: $0 * 7) }
            let labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 2, 3, 9]
            let sums = (try sha256(of: images), try sha256(of: labels), try sha256(of: images), try sha256(of: labels))
            let release = IDXRelease(
                name: "tiny", folderName: "tiny", classes: MNIST.classes, normalization: MNIST.normalization, counts: (2, 2), sha256: sums,
                advice: "replace it")
            func path(_ split: String, _ isImages: Bool) -> String {
                "\(folder)/\(split)-\(isImages ? "images-idx3" : "labels-idx1")-ubyte.gz"
            }
            let packed = (images: gzipped(images), labels: gzipped(labels))
            for split in ["train", "t10k"] {
                try write(packed.images, path(split, true))
                try write(packed.labels, path(split, false))
            }
            let seeds = [
                Seed(packed.images, hot: 0..<12), Seed(packed.labels), Seed(images, hot: 0..<16, alwaysFinished: true, finish: gzipped),
                Seed(labels, alwaysFinished: true, finish: gzipped), Seed(images, hot: 0..<16), Seed(labels)
            ]
            return Session(seeds: seeds) { input, index in
                let isImages = index % 2 == 0
                try write(input, path("train", isImages))
                defer { try? write(isImages ? packed.images : packed.labels, path("train", isImages)) }
                let data = try release.load(folder: folder, allowUnofficial: true)
                if data.isOfficial {
                    try need(
                        data.train.images == Array(images[16...]) && data.train.labels == Array(labels[8...]), "other images are official")
                }
                try check(data.train, count: 2, classes: 10)
            }
        },
        Reader(name: "class-list", about: "a class list of ImageNet") { folder in
            let path = "\(folder)/classes.txt", ids = ["n01440764", "n02102040", "n03888257"]
            for id in ids {
                try makeFolder("\(folder)/val/\(id)")
                try write([], "\(folder)/val/\(id)/a.JPEG")
            }
            let texts = [
                "# a comment\n0 n01440764 tench\n217 n02102040 English springer\n701 n03888257 parachute\n",
                "n01440764 1 tench\r\nn03888257 2 parachute\r\n", "\u{feff}5\tn02102040\tEnglish_springer"
            ]
            return Session(seeds: texts.map { Seed(text: $0) }) { input, _ in
                try write(input, path)
                let list = try ClassList(contentsOf: path)
                try need(list.entries.map(\.number) == list.entries.map(\.number).sorted(), "the numbers do not ascend")
                try need(Set(list.entries.map(\.wnid)).count == list.entries.count, "a class is there twice")
                // Classes that the folder lacks are refused by their name.
                let data = try ImageNet(folder: folder, unreadable: UnreadableImages(limit: 0) { _ in }, needsTraining: false)
                try need(data.classes.count == list.entries.count, "\(data.classes.count) classes of \(list.entries.count)")
            }
        },
        Reader(name: "ground-truth", about: "the ground truth of ImageNet's validation images, or the synsets that it needs") { folder in
            let truth = "\(folder)/ILSVRC2012_validation_ground_truth.txt", synsets = "\(folder)/ILSVRC2012_synsets.txt"
            try makeFolder("\(folder)/val")
            for number in 1...4 { try write([], "\(folder)/val/ILSVRC2012_val_0000000\(number).JPEG") }
            let lists = "2 n01440764 tench\n1 n02102040 springer\n"
            try write(Array("0 n01440764 tench\n217 n02102040 springer\n".utf8), "\(folder)/classes.txt")
            let seeds = ["n01440764\nn02102040\nn01440764\nn02102040\n", lists, "1\n2\n2\n1\n", lists].map { Seed(text: $0) }
            return Session(seeds: seeds) { input, index in
                let isTruth = index % 2 == 0
                try write(isTruth ? input : seeds[2].bytes, truth)
                try write(isTruth ? seeds[1].bytes : input, synsets)
                let data = try ImageNet(folder: folder, unreadable: UnreadableImages(limit: 0) { _ in }, needsTraining: false)
                let split = try data.sources(imageSize: 32).test
                try need((1...4).contains(split.count), "\(split.count) images of 4")
            }
        }
    ]

    private static func check(_ split: ImageSplit, count: Int, classes: Int) throws {
        try need(split.count == count && split.labels.allSatisfy { $0 < classes }, "\(split.count) images with labels \(split.labels)")
        try need(split.images.count == count * split.height * split.width * split.channels, "\(split.images.count) bytes of images")
    }

    static func gzipped(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream(), result = [UInt8](repeating: 0, count: bytes.count + bytes.count / 100 + 64), input = bytes
        guard
            deflateInit2_(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { return [] }
        defer { deflateEnd(&stream) }
        return input.withUnsafeMutableBufferPointer { input in
            let count = result.withUnsafeMutableBufferPointer { output in
                (stream.next_in, stream.avail_in) = (input.baseAddress, UInt32(input.count))
                (stream.next_out, stream.avail_out) = (output.baseAddress, UInt32(output.count))
                return deflate(&stream, Z_FINISH) == Z_STREAM_END ? Int(stream.total_out) : 0
            }
            return Array(result.prefix(count))
        }
    }
}
