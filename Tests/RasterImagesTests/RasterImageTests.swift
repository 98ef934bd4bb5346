// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import RasterImages
import Testing

@Suite struct RasterImageTests {
    final class Folder {
        let path = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"
        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }
        func write(_ data: Data, _ name: String) throws -> String {
            try data.write(to: URL(fileURLWithPath: "\(path)/\(name)"))
            return "\(path)/\(name)"
        }
    }

    /// 3×2 pixels: red, green, blue; white, grey 128, black. Written by Pillow 13.0.0 (`Image.fromarray(…).save`), as RGB and as L.
    static let png = Data(base64Encoded: "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAGklEQVR4nAXBgQEAIAjAIOxyvXyBEHpqb5kPQ3IGgLc6VY0AAAAASUVORK5CYII=")!
    static let grey = Data(base64Encoded: "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVR4nGNkMDJimHbiPwAGhwLD7bQTrAAAAABJRU5ErkJggg==")!
    static let pixels: [UInt8] = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 128, 128, 128, 0, 0, 0]

    @Test func readsPNG() throws {
        let folder = try Folder()
        let image = try RasterImage(path: try folder.write(Self.png, "a.png"), channels: 3)
        #expect(image == RasterImage(height: 2, width: 3, channels: 3, pixels: Self.pixels))
        let grey = try RasterImage(path: try folder.write(Self.grey, "b.png"), channels: 1)
        #expect(grey == RasterImage(height: 2, width: 3, channels: 1, pixels: [0, 50, 100, 150, 200, 255]))
        #expect(try RasterImage(path: "\(folder.path)/b.png", channels: 3).pixels == [0, 50, 100, 150, 200, 255].flatMap { [$0, $0, $0] })
    }

    /// A flat image survives the coding but for one grey level; colours and their order stay.
    @Test func readsJPEG() throws {
        let folder = try Folder()
        let flat = (0..<64 * 3).map { [UInt8(200), 90, 30][$0 % 3] }
        let path = try folder.write(Data(try encodeJPEG(flat, width: 8, height: 8, channels: 3, quality: 100)), "a.jpg")
        let image = try RasterImage(path: path, channels: 3)
        #expect(image.height == 8 && image.width == 8)
        #expect(zip(image.pixels, flat).allSatisfy { abs(Int($0) - Int($1)) <= 2 })
    }

    @Test func readsPortableMaps() throws {
        let folder = try Folder()
        let ppm = try folder.write(Data("P6 # by hand\n3\t2\n255\n".utf8) + Data(Self.pixels), "a.ppm")
        #expect(try RasterImage(path: ppm, channels: 3).pixels == Self.pixels)
        // Rec. 709: 0.2126·255 = 54.2, 0.7152·255 = 182.4, 0.0722·255 = 18.4.
        #expect(try RasterImage(path: ppm, channels: 1).pixels == [54, 182, 18, 255, 128, 0])
    }

    @Test func readsRecordsOfCIFAR() throws {
        let folder = try Folder()
        let planes = (0..<3).flatMap { plane in (0..<1024).map { UInt8(truncatingIfNeeded: $0 + 7 * plane) } }
        let file = try folder.write(Data(repeating: 9, count: 3073) + Data([3] + planes), "test_batch.bin")
        let image = try RasterImage(path: file + "#1", channels: 3)
        #expect(image.height == 32 && image.width == 32 && image.pixels[3 * 100..<3 * 100 + 3] == [100, 107, 114])
        #expect(throws: FileError("\(file) has the records 0 to 1, not 2")) { try RasterImage(path: file + "#2", channels: 3) }
        #expect(throws: FileError("\(file) has the records 0 to 1, not x")) { try RasterImage(path: file + "#x", channels: 3) }
    }

    @Test func badFilesAreRefused() throws {
        let folder = try Folder()
        func message(_ data: Data) throws -> String {
            let path = try folder.write(data, "x")
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
        #expect(try message(Data("P6 2".utf8)).contains("lacks a number"))
        for cut in stride(from: 5, to: Self.png.count - 12, by: 3) { #expect(try message(Self.png.prefix(cut)) != "accepted") }
    }

    /// Expected values are Pillow's (`resize` with BILINEAR).
    @Test func resizesAsPillow() throws {
        let image = RasterImage(height: 5, width: 7, channels: 1, pixels: (0..<35).map { UInt8($0 * $0 % 251) })
        let smaller: [UInt8] = [25, 38, 61, 84, 168, 69, 93, 151, 121, 122, 100, 152]
        let larger: [UInt8] = [0, 1, 2, 5, 9, 14, 21, 29, 36, 37, 45, 55, 65, 77, 91, 106, 121, 136, 135, 150, 104, 42, 64, 86, 111, 135, 157, 193, 217, 133, 22, 53, 85, 118, 152, 182, 150, 182, 134, 68, 108, 100, 127, 171, 208, 31, 69, 114, 161, 208, 62, 56, 107, 152]
        for (result, expected) in [(image.resized(height: 3, width: 4), smaller), (image.resized(height: 6, width: 9), larger)] {
            #expect(result.pixels == expected)
        }
        let side = image.resized(shorterSide: 3)
        #expect(side.height == 3 && side.width == 4)
        // torchvision's CenterCrop begins at round(1.5) = 2 in both directions.
        #expect(image.centerCropped(height: 2, width: 4).pixels == [5, 38, 73, 110, 27, 74, 123, 174])
    }
}
