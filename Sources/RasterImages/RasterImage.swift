// SPDX-License-Identifier: GPL-3.0-or-later
import CPNG
import Datasets
import Files
import Foundation

/// An image as bytes `[H, W, C]`, C being 3 (red, green, blue) or 1 (grey).
public struct RasterImage: Equatable, Sendable {
    public let height, width, channels: Int
    public let pixels: [UInt8]

    public init(height: Int, width: Int, channels: Int, pixels: [UInt8]) {
        precondition(pixels.count == height * width * channels, "pixels are [H, W, C]")
        (self.height, self.width, self.channels, self.pixels) = (height, width, channels, pixels)
    }

    /// What cannot be an ordinary picture is refused before memory is taken for it.
    static let mostPixels = 1 << 28

    /// Reads a JPEG, a PNG, a binary PPM or PGM, or a record of CIFAR-10's binary files, named `FILE.bin#INDEX`, index counted from 0.
    /// - Parameter channels: 3 or 1; colours are converted to it (grey as Rec. 709 weighs them).
    /// - Throws: `FileError` when the file cannot be read, is damaged or of a kind that is not read.
    public init(path: String, channels: Int) throws {
        precondition(channels == 3 || channels == 1, "colour or grey")
        if let mark = path.lastIndex(of: "#"), path[..<mark].hasSuffix(".bin") {
            self = try Self.cifarRecord(String(path[..<mark]), index: String(path[path.index(after: mark)...])).converted(to: channels)
            return
        }
        let file = try readFile(path, most: 1 << 28)
        switch [UInt8](file.prefix(4)) {
        case [0x89, 0x50, 0x4e, 0x47]: self = try Self.png(file, path: path, channels: channels)
        case let head where head.starts(with: [0xff, 0xd8]):
            self = try Self.jpeg([UInt8](file), path: path).converted(to: channels)
        case let head where head.starts(with: Array("P6".utf8)) || head.starts(with: Array("P5".utf8)):
            self = try Self.portable(file, path: path).converted(to: channels)
        default: throw FileError("\(path) is no image that is read here: JPEG, PNG, binary PPM or PGM, or FILE.bin#INDEX of CIFAR-10")
        }
    }

    private static func jpeg(_ file: [UInt8], path: String) throws -> RasterImage {
        do {
            let image = try decodeJPEG(file)
            return RasterImage(height: image.height, width: image.width, channels: 3, pixels: image.pixels)
        } catch let fault as ImageFault { throw FileError("\(path) \(fault)") }
    }

    /// By libpng; an alpha channel is composed on black.
    private static func png(_ file: Data, path: String, channels: Int) throws -> RasterImage {
        var image = png_image()
        image.version = png_uint_32(PNG_IMAGE_VERSION)
        defer { png_image_free(&image) }
        func fail() -> FileError {
            let message = withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            return FileError("\(path) is a damaged PNG: \(message.isEmpty ? "libpng does not say why" : message)")
        }
        return try file.withUnsafeBytes { bytes in
            guard png_image_begin_read_from_memory(&image, bytes.baseAddress, bytes.count) != 0 else { throw fail() }
            let (height, width) = (Int(image.height), Int(image.width))
            guard height * width <= mostPixels else { throw FileError("\(path) has \(width)×\(height) pixels, more than \(mostPixels)") }
            image.format = png_uint_32(channels == 3 ? PNG_FORMAT_FLAG_COLOR : 0)
            var pixels = [UInt8](repeating: 0, count: height * width * channels)
            var black = png_color(red: 0, green: 0, blue: 0)
            guard png_image_finish_read(&image, &black, &pixels, 0, nil) != 0 else { throw fail() }
            return RasterImage(height: height, width: width, channels: channels, pixels: pixels)
        }
    }

    /// P6 (colour) or P5 (grey) with one byte a value: magic, width, height, 255, one white space, pixels.
    private static func portable(_ file: Data, path: String) throws -> RasterImage {
        func fail(_ what: String) -> FileError { FileError("\(path) is a damaged PPM or PGM: \(what)") }
        var rest = file.dropFirst(2)
        func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
        func number() throws -> Int {
            while let byte = rest.first, isSpace(byte) || byte == UInt8(ascii: "#") {
                rest = isSpace(byte) ? rest.dropFirst() : rest.drop { $0 != 10 }
            }
            let digits = rest.prefix { (48...57).contains($0) }
            rest = rest.dropFirst(digits.count)
            guard digits.count <= 9, let value = Int(String(decoding: digits, as: UTF8.self)) else { throw fail("its header lacks a number") }
            return value
        }
        let (width, height, most) = (try number(), try number(), try number())
        guard most == 255 else { throw fail("values up to \(most), expected 255") }
        guard let byte = rest.first, isSpace(byte) else { throw fail("nothing after its header") }
        guard width > 0, height > 0, width <= mostPixels, height <= mostPixels / width else { throw fail("\(width)×\(height) pixels") }
        let channels = file[file.startIndex + 1] == UInt8(ascii: "6") ? 3 : 1
        let pixels = [UInt8](rest.dropFirst())
        guard pixels.count == width * height * channels else { throw fail("\(pixels.count) bytes of pixels, expected \(width * height * channels)") }
        return RasterImage(height: height, width: width, channels: channels, pixels: pixels)
    }

    private static func cifarRecord(_ path: String, index: String) throws -> RasterImage {
        let (side, size) = (32, 1 + 3 * 32 * 32)
        let data = try readFile(path)
        guard data.count > 0, data.count % size == 0 else { throw FileError("\(path) has \(data.count) bytes, expected a multiple of \(size): no file of CIFAR-10's binary version") }
        guard let record = Int(index), (0..<data.count / size).contains(record) else { throw FileError("\(path) has the records 0 to \(data.count / size - 1), not \(index)") }
        let planes = [UInt8](data[record * size + 1..<(record + 1) * size])
        let pixels = (0..<3 * side * side).map { planes[$0 % 3 * side * side + $0 / 3] }
        return RasterImage(height: side, width: side, channels: 3, pixels: pixels)
    }

    private func converted(to wanted: Int) -> RasterImage {
        guard wanted != channels else { return self }
        let converted: [UInt8] = wanted == 3
            ? pixels.flatMap { [$0, $0, $0] }
            : stride(from: 0, to: pixels.count, by: 3).map {
                let sum = 0.2126 * Double(pixels[$0]) + 0.7152 * Double(pixels[$0 + 1]) + 0.0722 * Double(pixels[$0 + 2])
                return UInt8(sum.rounded())
            }
        return RasterImage(height: height, width: width, channels: wanted, pixels: converted)
    }
}
