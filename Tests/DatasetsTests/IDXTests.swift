// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import TestSupport
import Testing

@Suite struct IDXTests {
    @Test(arguments: [false, true]) func tinyFilesAreReadInOrder(gzipped: Bool) throws {
        try withTemporaryFolder { folder in
            let release = try TinyIDX().store(in: folder + "/tiny", gzipped: gzipped)
            for place in [folder, folder + "/tiny"] {
                let data = try release.load(folder: place, allowUnofficial: false)
                #expect(data.train.labels == [0, 9] && data.test.labels == [5] && data.isOfficial && data.name == "Tiny")
                #expect(data.train.images == TinyIDX.pixels(2) && data.test.images == TinyIDX.pixels(1))
                #expect(data.train.height == 28 && data.train.width == 28 && data.train.channels == 1)
            }
        }
    }

    /// One line that names the file, what is wrong with it, and what was expected; also where unofficial data are allowed.
    @Test(arguments: [false, true]) func badFilesAreNamed(gzipped: Bool) throws {
        let good = TinyIDX(), side: [UInt8] = [0, 0, 0, 28, 0, 0, 0, 28]
        func images(_ change: (inout [UInt8]) -> Void) -> TinyIDX { var tiny = good; change(&tiny.trainImages); return tiny }
        func labels(_ bytes: [UInt8]) -> TinyIDX { var tiny = good; tiny.trainLabels = bytes; return tiny }
        var swapped = good
        (swapped.trainImages, swapped.trainLabels) = (good.trainLabels, good.trainImages)
        let cases: [(TinyIDX, String, String)] = [
            (swapped, "train-images", "begins with the number 2049, expected 2051, of an IDX file of images (it is one of labels)"),
            (images { $0[3] = 4 }, "train-images", "expected 2051, of an IDX file of images (it is one of 4 dimensions)"),
            (images { $0[2] = 9 }, "train-images", "begins with the number 2307, expected 2051, of an IDX file of images"),
            (images { $0 = [] }, "train-images", "has 0 bytes, too few for an IDX file"),
            (images { $0.removeLast($0.count - 15) }, "train-images", "has 15 bytes, too few for an IDX file"),
            (
                images { $0 = [0, 0, 8, 3, 0, 0, 0, 1] + side + TinyIDX.pixels(1) },
                "train-images", "holds 1×28×28 bytes by its header, expected 2×28×28"
            ),
            (images { $0.removeLast() }, "train-images", "holds 1567 bytes behind its header, expected 2×28×28 = 1568"),
            (images { $0.append(0) }, "train-images", "goes on behind the 2×28×28 bytes of its header"),
            (labels([0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2]), "train-labels", "holds 3 bytes by its header, expected 2"),
            (labels([0, 0, 8, 1, 0, 0, 0, 2, 0, 10]), "train-labels", ": record 1 (counted from 0) has label 10, expected 0 to 9")
        ]
        for (bad, name, words) in cases {
            try withTemporaryFolder { folder in
                let release = try bad.store(in: folder, gzipped: gzipped)
                let text = message { _ = try release.load(folder: folder, allowUnofficial: true) }
                #expect(text.hasPrefix("\(folder)/\(name)") && text.contains(words) && text.hasSuffix(": replace it"), "\(text)")
            }
        }
    }

    @Test func otherContentsAreRefusedUnlessAllowed() throws {
        try withTemporaryFolder { folder in
            let release = try TinyIDX().store(in: folder, gzipped: true)
            var other = TinyIDX()
            other.testImages[500] ^= 1
            _ = try other.store(in: folder, gzipped: true)
            let text = message { _ = try release.load(folder: folder, allowUnofficial: false) }
            #expect(text.contains("t10k-images-idx3-ubyte.gz is not the official file"))
            #expect(text.contains("--allow-unofficial-data") && text.hasSuffix("or buy it"))
            #expect(try text.contains(release.test.images.sha256) && text.contains(sha256(of: other.testImages)))
            #expect(try !release.load(folder: folder, allowUnofficial: true).isOfficial)
        }
    }

    @Test func damagedGzipFilesAndMissingOnesAreNamed() throws {
        try withTemporaryFolder { folder in
            let release = try TinyIDX().store(in: folder, gzipped: true), path = folder + "/t10k-images-idx3-ubyte.gz"
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            func failure(_ damaged: [UInt8]) throws -> String {
                try write(damaged, path)
                return message { _ = try release.load(folder: folder, allowUnofficial: true) }
            }
            #expect(try failure(bytes.dropLast(1)).contains("t10k-images-idx3-ubyte.gz is damaged"))
            var flipped = bytes
            flipped[bytes.count - 6] ^= 1  // the stored CRC-32
            #expect(try failure(flipped).contains("t10k-images-idx3-ubyte.gz is damaged"))
            #expect(try failure(Array(bytes.prefix(bytes.count / 2))).contains("t10k-images-idx3-ubyte.gz is damaged"))
            // Gzip members follow each other: twice the content.
            #expect(try failure(bytes + bytes).contains("t10k-images-idx3-ubyte.gz goes on behind the 1×28×28 bytes"))
            try FileManager.default.removeItem(atPath: path)
            let missing = message { _ = try release.load(folder: folder, allowUnofficial: true) }
            #expect(missing == "Tiny: there is no \(folder)/t10k-images-idx3-ubyte, nor the same with .gz; buy it")
            try #require(mkfifo(path, 0o600) == 0)
            #expect(message { _ = try release.load(folder: folder, allowUnofficial: true) }.contains("no regular file"))
        }
    }

    /// A header that asks for more than there can be takes no memory.
    @Test func hugeDimensionsAreRefused() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/x"
            for dimensions in [[UInt8](repeating: 255, count: 12), [0, 0, 64, 0, 0, 0, 64, 0, 0, 0, 64, 0]] {
                try write([0, 0, 8, 3] + dimensions, path)
                #expect(message { _ = try IDX(path, dimensions: [nil, nil, nil]) }.contains("more than is read"))
            }
        }
    }

    /// FIPS 180-4's examples; and every length around a block's end against coreutils.
    @Test func sha256OfBytes() throws {
        #expect(try sha256(of: Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            try sha256(of: Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8))
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
        try withTemporaryFolder { folder in
            let lengths = Array(0...130) + [100_000], content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * $0 / 3) }
            for length in lengths { try write(Array(content.prefix(length)), "\(folder)/\(length)") }
            #expect(try sha256(ofFiles: lengths.map { "\(folder)/\($0)" }) == lengths.map { try sha256(of: Array(content.prefix($0))) })
        }
    }
}
