// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import RasterImages
import TestSupport
import Testing

@Suite struct RasterImageTests {
    /// 3×2 pixels: red, green, blue; white, grey 128, black. Written by Pillow 13.0.0 (`Image.fromarray(…).save`), as RGB and as L.
    static let png = Data(
        base64Encoded: "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGklEQVR4nAXBgQEAIAjAIOxyvXyBEHpqb5kPQ3IGgLc6VY0AAAAASUVORK5CYII=")!
    static let grey = Data(
        base64Encoded: "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVR4nGNkMDJimHbiPwAGhwLD7bQTrAAAAABJRU5ErkJggg==")!
    static let pixels: [UInt8] = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 128, 128, 128, 0, 0, 0]

    @Test func readsPNG() throws {
        let folder = try TemporaryFolder()
        let image = try RasterImage(path: try folder.write(Self.png, to: "a.png"), channels: 3)
        #expect(image == RasterImage(height: 2, width: 3, channels: 3, pixels: Self.pixels))
        let grey = try RasterImage(path: try folder.write(Self.grey, to: "b.png"), channels: 1)
        #expect(grey == RasterImage(height: 2, width: 3, channels: 1, pixels: [0, 50, 100, 150, 200, 255]))
        #expect(try RasterImage(path: "\(folder.path)/b.png", channels: 3).pixels == [0, 50, 100, 150, 200, 255].flatMap { [$0, $0, $0] })
    }

    /// A flat image survives the coding but for one grey level; colours and their order stay.
    @Test func readsJPEG() throws {
        let folder = try TemporaryFolder()
        let flat = (0..<64 * 3).map { [UInt8(200), 90, 30][$0 % 3] }
        let path = try folder.write(Data(try encodeJPEG(flat, width: 8, height: 8, channels: 3, quality: 100)), to: "a.jpg")
        let image = try RasterImage(path: path, channels: 3)
        #expect(image.height == 8 && image.width == 8)
        #expect(zip(image.pixels, flat).allSatisfy { abs(Int($0) - Int($1)) <= 2 })
    }

    @Test func readsPortableMaps() throws {
        let folder = try TemporaryFolder()
        let ppm = try folder.write(Data("P6 # by hand\n3\t2\n255\n".utf8) + Data(Self.pixels), to: "a.ppm")
        #expect(try RasterImage(path: ppm, channels: 3).pixels == Self.pixels)
        // Pillow 13.0.0, `convert("L")`; the same picture in a PNG gives the same.
        #expect(try RasterImage(path: ppm, channels: 1).pixels == [76, 150, 29, 255, 128, 0])
        #expect(try RasterImage(path: folder.write(Self.png, to: "a.png"), channels: 1) == RasterImage(path: ppm, channels: 1))
    }

    @Test func readsRecordsOfCIFAR() throws {
        let folder = try TemporaryFolder()
        let planes = (0..<3).flatMap { plane in (0..<1024).map { UInt8(truncatingIfNeeded: $0 + 7 * plane) } }
        let file = try folder.write(Data(repeating: 9, count: 3073) + Data([3] + planes), to: "test_batch.bin")
        let image = try RasterImage(path: file + "#1", channels: 3)
        #expect(image.height == 32 && image.width == 32 && image.pixels[3 * 100..<3 * 100 + 3] == [100, 107, 114])
        #expect(throws: FileError("\(file) has 2 images, counted from 0, and none is 2")) {
            try RasterImage(path: file + "#2", channels: 3)
        }
        #expect(throws: FileError("\(file) has 2 images, counted from 0, and none is x")) {
            try RasterImage(path: file + "#x", channels: 3)
        }
    }

    @Test func readsImagesOfIDXFiles() throws {
        let folder = try TemporaryFolder(), header: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 5]
        let file = try folder.write(Data(header + Array(100..<130)), to: "t10k-images-idx3-ubyte")
        try #require(try runTool("gzip", ["--keep", file], package: "gzip").status == 0)
        for name in [file, file + ".gz"] {
            #expect(
                try RasterImage(path: name + "#1", channels: 1) == RasterImage(height: 3, width: 5, channels: 1, pixels: Array(115..<130)))
            #expect(try RasterImage(path: name + "#0", channels: 3).pixels.prefix(6) == [100, 100, 100, 101, 101, 101])
            #expect(throws: FileError("\(name) has 2 images, counted from 0, and none is -1")) {
                try RasterImage(path: name + "#-1", channels: 1)
            }
        }
        let labels = try folder.write(Data([0, 0, 8, 1, 0, 0, 0, 1, 7]), to: "labels-idx3-ubyte")
        #expect { try RasterImage(path: labels + "#0", channels: 1) } throws: {
            "\($0)".contains("begins with the number 2049, expected 2051")
        }
        let flat = try folder.write(Data([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5]), to: "flat-idx3-ubyte")
        #expect { try RasterImage(path: flat + "#0", channels: 1) } throws: { "\($0)".contains("claims 5×0 pixels") }
    }

    @Test func badFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        func message(_ data: Data) throws -> String {
            let path = try folder.write(data, to: "x")
            do { _ = try RasterImage(path: path, channels: 3) } catch let error as FileError { return error.description }
            return "accepted"
        }
        #expect(try message(Data()).contains("no image that is read here"))
        #expect(try message(Data([0xff, 0xd8, 0xff, 0xe0])).contains("is no JPEG image that can be decoded"))
        let jpeg = Data(try encodeJPEG([UInt8](repeating: 90, count: 3 * 64), width: 8, height: 8, channels: 3))
        #expect(try message(jpeg.prefix(jpeg.count / 2 + 200)).contains("x is"))
        #expect(try message(Data("P6 2 2 255\n".utf8) + Data(count: 11)).contains("11 bytes of pixels, expected 12"))
        #expect(try message(Data("P6 2 2 65535\n".utf8)).contains("expected 255"))
        #expect(try message(Data("P6 999999999 999999999 255\n".utf8)).contains("999999999×999999999"))
        #expect(
            try message(Data("P5 70000 1 255\n".utf8) + Data(count: 70000)).contains("claims 70000×1 pixels, more than the 65535 a side"))
        #expect(try message(Data("P6 2".utf8)).contains("lacks a number"))
        for cut in stride(from: 5, to: Self.png.count - 12, by: 3) { #expect(try message(Self.png.prefix(cut)) != "accepted") }
    }

    struct Vectors: Decodable {
        struct Picture: Decodable, Sendable { let name: String, file, rgb, grey: Data }
        let height, width: Int
        let png: [Picture]
    }

    /// Every depth and kind, whatever the file says of gamma, white point, profile, significant bits, background or transparency.
    @Test func pixelsOfPNGsAreThoseOfPillow() throws {
        let folder = try TemporaryFolder(), url = try #require(Bundle.module.url(forResource: "Vectors/png", withExtension: "json"))
        let vectors = try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: url))
        #expect(vectors.png.count == 81)
        for picture in vectors.png {
            let path = try folder.write(picture.file, to: "a.png")
            for (channels, expected) in [(3, picture.rgb), (1, picture.grey)] {
                let image = try RasterImage(path: path, channels: channels)
                #expect(
                    image.height == vectors.height && image.width == vectors.width && image.pixels == [UInt8](expected), "\(picture.name)")
            }
        }
    }

    /// The beginning of a PNG that claims a size: more is not looked at.
    private func png(width: UInt32, height: UInt32) -> Data {
        Self.png.prefix(16) + [width, height].flatMap { value in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
            + Self.png[24...]
    }

    @Test func sizesAreBoundedBeforeMemoryIsTaken() throws {
        let folder = try TemporaryFolder()
        for (width, height, words) in [
            (1, 200_000, "claims 1×200000 pixels, more than the 65535 a side"), (16_384, 16_384, "more than the 67108864 that are decoded"),
            (0, 3, "claims 0×3 pixels"), (.max, .max, "more than the 65535 a side"),
            (5, 7, "is a damaged PNG")  // the checksum of the first chunk is wrong
        ] as [(UInt32, UInt32, String)] {
            let path = try folder.write(png(width: width, height: height), to: "a.png")
            #expect { try RasterImage(path: path, channels: 3) } throws: { "\($0)".hasPrefix(path) && "\($0)".contains(words) }
        }
    }

    @Test func aPipeIsNoImage() throws {
        let folder = try TemporaryFolder(), path = folder.path + "/pipe.png"
        try #require(mkfifo(path, 0o600) == 0)
        for name in [path, folder.path] {
            #expect { try RasterImage(path: name, channels: 3) } throws: { "\($0)".contains("cannot read \(name): it is") }
        }
        let records = folder.path + "/pipe.bin"
        try #require(mkfifo(records, 0o600) == 0)
        #expect(throws: FileError.self) { try RasterImage(path: records + "#0", channels: 3) }
    }

    /// One column, which resized whole would have 256 × 15 million pixels. Expected of the smaller one: Pillow 13.0.0, resized to
    /// 4×12000 and then cropped.
    @Test func longImagesAreCroppedWithoutBeingResizedWhole() throws {
        func column(_ height: Int) -> RasterImage {
            RasterImage(height: height, width: 1, channels: 1, pixels: (0..<height).map { UInt8($0 * 7 % 251) })
        }
        let expected: [UInt8] = [203, 205, 206, 208].flatMap { [$0, $0, $0, $0] }
        #expect(column(3000).centerCropped(resize: 4, height: 4, width: 4).pixels == expected)
        #expect(column(60_000).centerCropped(resize: 256, height: 224, width: 224).pixels.count == 224 * 224)
        #expect(column(60_000).resized(height: 32, width: 32).pixels.count == 1024)
    }

    /// Expected values are Pillow's (`resize` with BILINEAR).
    @Test func resizesAsPillow() throws {
        let image = RasterImage(height: 5, width: 7, channels: 1, pixels: (0..<35).map { UInt8($0 * $0 % 251) })
        let smaller: [UInt8] = [25, 38, 61, 84, 168, 69, 93, 151, 121, 122, 100, 152]
        let larger: [UInt8] = [
            0, 1, 2, 5, 9, 14, 21, 29, 36, 37, 45, 55, 65, 77, 91, 106, 121, 136, 135, 150, 104, 42, 64, 86, 111, 135, 157, 193, 217, 133,
            22, 53, 85, 118, 152, 182, 150, 182, 134, 68, 108, 100, 127, 171, 208, 31, 69, 114, 161, 208, 62, 56, 107, 152
        ]
        for (result, expected) in [(image.resized(height: 3, width: 4), smaller), (image.resized(height: 6, width: 9), larger)] {
            #expect(result.pixels == expected)
        }
        #expect(image.centerCropped(resize: 3, height: 3, width: 3).pixels == [0, 1, 2, 4, 5, 6, 8, 9, 10].map { smaller[$0] })
        // torchvision's CenterCrop begins at round(1.5) = 2 in both directions.
        #expect(image.centerCropped(resize: 5, height: 2, width: 4).pixels == [5, 38, 73, 110, 27, 74, 123, 174])
    }
}
