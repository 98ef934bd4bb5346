// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import Synchronization
import TestSupport
import Testing

/// Batches from JPEG files: the same whoever makes them, also where files are damaged.
@Suite(.serialized) struct JPEGLoaderTests {
    final class Heard: Sendable {
        let lines = Mutex<[String]>([])
        func append(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    struct Copy: Equatable {
        var labels: [Int32]
        var images: [UInt32]
        var replaced: Int
    }

    private let augmentation = Augmentation(smallestArea: 0.3)

    private func split(_ tiny: TinyImageNet, limit: Int = 0, heard: Heard = Heard()) throws -> JPEGSplit {
        let data = try ImageNet(folder: tiny.folder, unreadable: UnreadableImages(limit: limit) { heard.append($0) })
        return try #require(try data.sources(imageSize: 32).train as? JPEGSplit)
    }

    private func epoch(_ split: JPEGSplit, _ epoch: Int, workers: Int = 1, from first: Int = 0, depth: Int = 2) throws -> [Copy] {
        let loader = BatchLoader(
            split: split, batchSize: 7, seed: 3, augmentation: augmentation, shuffled: true, workers: workers, depth: depth)
        loader.start(epoch: epoch, firstBatch: first)
        defer { loader.stop() }
        var copies: [Copy] = []
        while let batch = try loader.next() {
            copies.append(
                Copy(
                    labels: Array(UnsafeBufferPointer(start: batch.labels, count: batch.count)),
                    images: UnsafeBufferPointer(start: batch.images, count: batch.count * split.imageSize).map(\.bitPattern),
                    replaced: batch.replaced))
        }
        return copies
    }

    @Test func batchesDoNotDependOnTheWorkers() throws {
        let tiny = try TinyImageNet()
        let split = try split(tiny)
        let expected = try epoch(split, 4)
        #expect(expected.map(\.labels.count) == [7, 7, 7, 7, 2])
        for (workers, depth) in [(2, 1), (3, 4), (8, 2)] {
            #expect(try epoch(split, 4, workers: workers, depth: depth) == expected)
            #expect(try epoch(split, 4, workers: workers, from: 3, depth: depth) == Array(expected[3...]))
        }
        #expect(try epoch(split, 5) != expected)
    }

    /// A crop as the reader makes it is the reference's resize of the decoded pixels.
    @Test func aCropIsTheReferenceOfItsWindow() throws {
        let tiny = try TinyImageNet()
        var split = try split(tiny)
        split.reducesDecoding = false
        let reader = try JPEGReader(split, augmentation, 3)
        var values = [Float](repeating: 0, count: split.imageSize)
        for image in 0..<split.count {
            _ = try values.withUnsafeMutableBufferPointer { try reader.read(image, epoch: 1, into: $0.baseAddress!) }
            let file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: split.path(of: image))))
            let decoder = ImageDecoder()
            let (pixels, width) = try file.withUnsafeBufferPointer { file in
                let decoded = try decoder.decode(file, decoder.header(file))
                return (Array(UnsafeBufferPointer(start: decoded.bytes, count: decoded.stride * decoded.height)), decoded.width)
            }
            let (part, isFlipped) = augmentation.window(seed: 3, epoch: 1, image: image, height: pixels.count / 4 / width, width: width)
            func axis(_ size: Int) -> ResizeAxis { ResizeAxis(inputs: size, window: 0...Double(size), outputs: 32, kept: 0..<32) }
            let reference = rgb(
                resizeReference(
                    cut(pixels, width: width, part), width: part.width, horizontal: axis(part.width), vertical: axis(part.height)))
            let table = ImageNet.normalization.table
            let expected = (0..<32 * 32 * 3).map { index -> Float in
                let (y, x, c) = (index / 96, index / 3 % 32, index % 3)
                let from: Int = isFlipped ? 31 - x : x
                return table[256 * c + Int(reference[96 * y + 3 * from + c])]
            }
            #expect(values == expected, "image \(image)")
        }
    }

    /// Truncated, vanished and huge images are named once, and the next good one takes their place with its own label.
    @Test func unreadableImagesAreReplaced() throws {
        let tiny = try TinyImageNet()
        let whole = try epoch(try split(tiny), 0)
        let truncated = [UInt8](try Data(contentsOf: URL(fileURLWithPath: tiny.train(0, 4))))
        try write(Array(truncated.prefix(truncated.count / 2)), tiny.train(0, 4))
        try FileManager.default.removeItem(atPath: tiny.train(1, 9))  // the last of its class: the next one's first comes in
        let heard = Heard()
        let split = try split(tiny, limit: 3, heard: heard)
        #expect(split.count == 29)  // what is gone before the start is no image
        try write(Self.bomb(), tiny.train(2, 0))
        try FileManager.default.removeItem(atPath: tiny.train(1, 8))
        for epochNumber in 0..<2 {
            let damaged = try epoch(split, epochNumber, workers: 2)
            #expect(damaged.map(\.replaced).reduce(0, +) == 3)
            #expect(damaged.map(\.labels.count) == [7, 7, 7, 7, 1])
            #expect(try damaged == epoch(split, epochNumber, workers: 3))
        }
        #expect(heard.all.count == 3)
        for (path, words) in [
            (tiny.train(0, 4), "is damaged"), (tiny.train(1, 8), "cannot be opened"), (tiny.train(2, 0), "claims 65500×65500 pixels")
        ] {
            #expect(heard.all.contains { $0.hasPrefix(path) && $0.contains(words) }, "\(heard.all)")
        }
        #expect(whole.map(\.replaced).allSatisfy { $0 == 0 })
        // Image 8 of class 1 was the split's last of its class: its stand-in comes from class 2, and has that label.
        let labels = try epoch(split, 0).flatMap(\.labels)
        #expect((0..<3).map { label in labels.count { $0 == label } } == [10, 8, 11])
    }

    /// What stands in for an image that cannot be read is one of those that training may see: the next of them, from the last to the first.
    @Test func standInsAreOfThePartThatMayBeSeen() throws {
        let tiny = try TinyImageNet(), split = try split(tiny, limit: 2), size = 32 * 32 * 3
        try FileManager.default.removeItem(atPath: split.path(of: 8))
        try FileManager.default.removeItem(atPath: split.path(of: 20))
        let part = try split.reader(augmentation: augmentation, seed: 3, within: [4, 8, 15, 20])
        var pixels = [Float](repeating: 0, count: size)
        for (image, standIn) in [(8, 15), (20, 4)] {
            let read = try part.read(image, epoch: 0, into: &pixels)
            #expect(read.isReplaced && read.label == split.label(of: standIn))
        }
        #expect(split.label(of: 15) != split.label(of: 9) && split.label(of: 4) != split.label(of: 21))
    }

    /// libjpeg-turbo's decoder refuses every file after one whose header it could not read; a file's pixels must not depend on that.
    @Test(arguments: [1, 2, 3, 8]) func aDamagedHeaderHarmsNoOtherImage(workers: Int) throws {
        let tiny = try TinyImageNet()
        let whole = try epoch(try split(tiny, limit: 0), 1)
        // A table of length 1, less than its length takes; a file that says nothing at all; and a pipe, which nobody fills.
        try write([0xff, 0xd8, 0xff, 0xdb, 0, 1, 0xff, 0xd9], tiny.train(0, 3))
        try write([0xff, 0xd8, 0xff, 0xd9], tiny.train(1, 3))
        try FileManager.default.removeItem(atPath: tiny.train(2, 3))
        try #require(mkfifo(tiny.train(2, 3), 0o600) == 0)
        let heard = Heard()
        let found = try epoch(try split(tiny, limit: 3, heard: heard), 1, workers: workers)
        #expect(heard.all.count == 3 && heard.all.contains { $0.hasPrefix(tiny.train(0, 3)) }, "\(heard.all)")
        #expect(found.map(\.replaced).reduce(0, +) == 3 && found.map(\.labels) == whole.map(\.labels))
        let size = 32 * 32 * 3
        func images(_ copies: [Copy]) -> [ArraySlice<UInt32>] {
            copies.flatMap { copy in copy.labels.indices.map { copy.images[$0 * size..<($0 + 1) * size] } }
        }
        #expect(zip(images(found), images(whole)).count { !$0.elementsEqual($1) } == 3)
    }

    /// ImageNet's n02105855_2933.JPEG is a PNG: it is read as what it is, for training and for an accuracy.
    @Test func aPNGNamedJPEGIsRead() throws {
        let tiny = try TinyImageNet()
        // 3×2 pixels, written by Pillow 13.0.0.
        let png = try #require(
            Data(
                base64Encoded:
                    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGklEQVR4nAXBgQEAIAjAIOxyvXyBEHpqb5kPQ3IGgLc6VY0AAAAASUVORK5CYII="))
        try write([UInt8](png), tiny.train(1, 4))
        try write([UInt8](png), "\(tiny.folder)/val/n02102040/n02102040_1.JPEG")
        let copies = try epoch(try split(tiny), 0, workers: 2)
        #expect(copies.map(\.replaced).allSatisfy { $0 == 0 } && copies.map(\.labels.count).reduce(0, +) == 30)
        let data = try ImageNet(folder: tiny.folder, unreadable: UnreadableImages(limit: 0) { _ in }),
            test = data.testSplit(CenterCrop(crop: 32))
        let reader = try test.reader(augmentation: nil, seed: 0),
            image = try #require((0..<test.count).first { test.path(of: $0).hasSuffix("n02102040_1.JPEG") })
        var values = [Float](repeating: 0, count: test.imageSize)
        let read = try values.withUnsafeMutableBufferPointer { try reader.read(image, epoch: 0, into: $0.baseAddress!) }
        #expect(read.label == 1 && Set(values).count > 20)
    }

    @Test func tooManyEndTheRun() throws {
        let tiny = try TinyImageNet()
        let split = try split(tiny, limit: 1)
        for index in [2, 5] { try write([1, 2, 3], tiny.train(1, index)) }
        let words = message { _ = try epoch(split, 0, workers: 2) }
        #expect(words.contains("n02102040_") && words.contains("number 2 that cannot be read, and 1 are allowed"))
        for label in 0..<3 { for index in 0..<10 { try write([1, 2, 3], tiny.train(label, index)) } }
        let lenient = try self.split(tiny, limit: 100)
        #expect(message { _ = try epoch(lenient, 0) }.contains("nor any other"))
    }

    /// An accuracy over other images than the split's is none.
    @Test func evaluationNeedsEveryImage() throws {
        let tiny = try TinyImageNet()
        let data = try ImageNet(folder: tiny.folder, unreadable: UnreadableImages(limit: 100) { _ in })
        let loader = BatchLoader(split: data.testSplit(CenterCrop(crop: 32)), batchSize: 4, seed: 0, shuffled: false, workers: 2)
        func count() throws -> Int {
            loader.start(epoch: 0)
            defer { loader.stop() }
            var images = 0
            while let batch = try loader.next() { images += batch.count }
            return images
        }
        #expect(try count() == 9)
        try write([], "\(tiny.folder)/val/n03888257/n03888257_1.JPEG")
        #expect(message { _ = try count() }.contains("n03888257_1.JPEG is no JPEG image"))
    }

    /// Decoding to a half where the crop has twice the pixels or more changes them little: measured on smooth images with noise,
    /// whose mean absolute difference is below 3 of 255, here in units of the normalised values.
    @Test func reducedDecodingIsClose() throws {
        let tiny = try TinyImageNet()
        let pixels = (0..<300 * 400 * 3).map { (index: Int) -> UInt8 in
            let ramp = index / 3 % 400 / 2
            return UInt8(truncatingIfNeeded: ramp + Int(hashedByte(index, seed: 4)) / 16)
        }
        for index in 0..<10 { try write(try encodeJPEG(pixels, width: 400, height: 300, channels: 3, quality: 95), tiny.train(0, index)) }
        var split = try split(tiny)
        func images() throws -> [Float] {
            let reader = try JPEGReader(split, Augmentation(smallestArea: 0.9), 3)
            var values = [Float](repeating: 0, count: 10 * split.imageSize)
            for image in 0..<10 {
                _ = try values.withUnsafeMutableBufferPointer {
                    try reader.read(image, epoch: 0, into: $0.baseAddress! + image * split.imageSize)
                }
            }
            return values
        }
        #expect(JPEGReader.reduction(of: PixelWindow(row: 0, column: 0, height: 280, width: 380), to: 32) == 8)
        #expect(JPEGReader.reduction(of: PixelWindow(row: 0, column: 0, height: 63, width: 380), to: 32) == 1)
        let reduced = try images()
        split.reducesDecoding = false
        let full = try images()
        let difference = zip(reduced, full).reduce(0) { $0 + abs($1.0 - $1.1) } / Float(full.count)
        #expect(difference > 0 && difference < 3 / 255 / 0.225, "\(difference)")
    }

    /// The resident memory after the second epoch is that after the tenth, but for what the allocator rounds: 4 MB of the 40
    /// that all epochs' pixels would take.
    @Test func memoryStaysFlat() throws {
        let tiny = try TinyImageNet()
        let split = try split(tiny)
        func resident() throws -> Int {
            let words = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
            return try #require(Int(words[1])) * Int(sysconf(Int32(_SC_PAGESIZE)))
        }
        func run() throws {
            let loader = BatchLoader(split: split, batchSize: 7, seed: 3, augmentation: augmentation, shuffled: true, workers: 2)
            for epoch in 0..<20 {
                loader.start(epoch: epoch)
                while try loader.next() != nil {}
            }
        }
        try run()
        let before = try resident()
        for _ in 0..<5 { try run() }
        let growth = try resident() - before
        print("resident memory over 100 epochs of 30 JPEG images: \(growth / 1024) KiB more")
        #expect(growth < 4 << 20)
    }

    /// Prints what reading a training image costs one thread, and what decoding to fewer pixels changes; 400 real images, times
    /// of the thread itself, so that other work on the machine counts little.
    @Test(.needs(.imageNet), arguments: [224, 160, 128, 64])
    func costOfAnImage(size: Int) throws {
        let data = try ImageNet(folder: try RealData.imageNet.requirePath(), unreadable: UnreadableImages(limit: 0) { _ in })
        var split = try #require(try data.sources(imageSize: size).train as? JPEGSplit)
        func seconds() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
        }
        func read() throws -> (milliseconds: Double, pixels: [UInt8]) {
            let reader = try JPEGReader(split, Augmentation(smallestArea: 0.08), 3)
            var values = [Float](repeating: 0, count: split.imageSize)
            var (pixels, time): ([UInt8], Double) = ([], 0)
            for image in 0..<400 {
                let start = seconds()
                _ = try values.withUnsafeMutableBufferPointer {
                    try reader.read(image * split.count / 400, epoch: 0, into: $0.baseAddress!)
                }
                time += seconds() - start
                pixels += rgb(reader.window)
            }
            return (1000 * time / 400, pixels)
        }
        let reduced = try read()
        split.reducesDecoding = false
        let full = try read()
        let difference = zip(reduced.pixels, full.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        print(
            "\(size)×\(size): \(full.milliseconds) ms an image, with reduced decoding \(reduced.milliseconds) ms; pixels then differ by "
                + "\(Double(difference) / Double(full.pixels.count)) of 255 on average")
        #expect(reduced.pixels.count == 400 * size * size * 3)
    }

    /// 65,500 × 65,500 pixels in a few hundred bytes.
    static func bomb() throws -> [UInt8] {
        var bytes = try encodeJPEG([UInt8](repeating: 7, count: 48), width: 4, height: 4, channels: 3)
        let frame = try #require(bytes.indices.dropLast().first { bytes[$0] == 0xff && bytes[$0 + 1] == 0xc0 })
        for (offset, byte) in [(5, 0xff), (6, 0xdc), (7, 0xff), (8, 0xdc)] as [(Int, UInt8)] { bytes[frame + offset] = byte }
        return bytes
    }
}
