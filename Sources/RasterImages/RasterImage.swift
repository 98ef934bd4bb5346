// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation

/// An image as bytes `[H, W, C]`, C being 3 (red, green, blue) or 1 (grey).
///
/// Whatever the kind of file, pixels are those that Pillow gives by `convert("RGB")` or `convert("L")`; where that is no choice
/// (16-bit grey, orientation), `ImageDecoder` says what is done.
public struct RasterImage: Equatable, Sendable {
    public let height, width, channels: Int
    public let pixels: [UInt8]

    public init(height: Int, width: Int, channels: Int, pixels: [UInt8]) {
        precondition(pixels.count == height * width * channels, "pixels are [H, W, C]")
        (self.height, self.width, self.channels, self.pixels) = (height, width, channels, pixels)
    }

    /// Reads a JPEG, a PNG, a binary PPM or PGM, or one image of many: of CIFAR-10's binary files, named `FILE.bin#INDEX`, or of IDX
    /// files such as MNIST's, `FILE-idx3-ubyte#INDEX` or `FILE-idx3-ubyte.gz#INDEX`; the index counts from 0.
    /// - Parameter channels: 3 or 1; colours are converted to it.
    /// - Throws: `FileError` when the file cannot be read, is damaged or too large, or of a kind that is not read.
    public init(path: String, channels: Int) throws {
        precondition(channels == 3 || channels == 1, "colour or grey")
        if let mark = path.lastIndex(of: "#"), let read = Self.reader(ofRecordsIn: path[..<mark]) {
            self = try read(String(path[..<mark]), String(path[path.index(after: mark)...])).converted(to: channels)
            return
        }
        let file = try readFile(path, most: 1 << 28)
        do {
            if file.starts(with: Data("P6".utf8)) || file.starts(with: Data("P5".utf8)) {
                self = try Self.portable(file).converted(to: channels)
            } else if file.starts(with: [0xff, 0xd8]) || file.starts(with: [0x89, 0x50, 0x4e, 0x47]) {
                self = try Self.decoded(file, channels: channels)
            } else {
                throw ImageFault(
                    "is no image that is read here: JPEG, PNG, binary PPM or PGM, FILE.bin#INDEX of CIFAR-10, or FILE-idx3-ubyte#INDEX of "
                        + "MNIST"
                )
            }
        } catch let fault as ImageFault { throw FileError("\(path) \(fault)") }
    }

    private static func decoded(_ file: Data, channels: Int) throws -> RasterImage {
        try file.withUnsafeBytes { file in
            let (decoder, file) = (ImageDecoder(), file.bindMemory(to: UInt8.self))
            let image = try decoder.decode(file, try decoder.header(file))
            let count = image.height * image.width
            let pixels = [UInt8](unsafeUninitializedCapacity: count * channels) { pixels, initialized in
                for i in 0..<count {
                    let at = image.bytes + 4 * i
                    if channels == 1 { pixels[i] = grey(at[0], at[1], at[2]) } else { for c in 0..<3 { pixels[3 * i + c] = at[c] } }
                }
                initialized = count * channels
            }
            return RasterImage(height: image.height, width: image.width, channels: channels, pixels: pixels)
        }
    }

    /// P6 (colour) or P5 (grey) with one byte a value: magic, width, height, 255, one white space, pixels.
    private static func portable(_ file: Data) throws -> RasterImage {
        func fail(_ what: String) -> ImageFault { ImageFault("is a damaged PPM or PGM: \(what)") }
        var rest = file.dropFirst(2)
        func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
        func number() throws -> Int {
            while let byte = rest.first, isSpace(byte) || byte == UInt8(ascii: "#") {
                rest = isSpace(byte) ? rest.dropFirst() : rest.drop { $0 != 10 }
            }
            let digits = rest.prefix { (48...57).contains($0) }
            rest = rest.dropFirst(digits.count)
            guard digits.count <= 9, let value = Int(String(decoding: digits, as: UTF8.self)) else {
                throw fail("its header lacks a number")
            }
            return value
        }
        let (width, height, most) = (try number(), try number(), try number())
        guard most == 255 else { throw fail("values up to \(most), expected 255") }
        guard let byte = rest.first, isSpace(byte) else { throw fail("nothing after its header") }
        try ImageDecoder.check(width: width, height: height)
        let channels = file[file.startIndex + 1] == UInt8(ascii: "6") ? 3 : 1
        rest = rest.dropFirst()
        guard rest.count == width * height * channels else {
            throw fail("\(rest.count) bytes of pixels, expected \(width * height * channels)")
        }
        return RasterImage(height: height, width: width, channels: channels, pixels: [UInt8](rest))
    }

    private static func reader(ofRecordsIn path: Substring) -> ((String, String) throws -> RasterImage)? {
        if path.hasSuffix(".bin") { return cifarRecord(_:index:) }
        if path.hasSuffix("-idx3-ubyte") || path.hasSuffix("-idx3-ubyte.gz") { return idxImage(_:index:) }
        return nil
    }

    private static func idxImage(_ path: String, index: String) throws -> RasterImage {
        let content = try IDX(path, dimensions: [nil, nil, nil]), (height, width) = (content.dimensions[1], content.dimensions[2])
        let image = try number(index, below: content.dimensions[0], of: path)
        do { try ImageDecoder.check(width: width, height: height) } catch let fault as ImageFault { throw FileError("\(path) \(fault)") }
        return RasterImage(
            height: height, width: width, channels: 1,
            pixels: Array(content.elements[image * height * width..<(image + 1) * height * width]))
    }

    private static func cifarRecord(_ path: String, index: String) throws -> RasterImage {
        let (side, size) = (32, 1 + 3 * 32 * 32)
        let data = try readFile(path, most: 1 << 28)
        guard data.count > 0, data.count % size == 0 else {
            throw FileError("\(path) has \(data.count) bytes, expected a multiple of \(size): no file of CIFAR-10's binary version")
        }
        let record = try number(index, below: data.count / size, of: path)
        let planes = [UInt8](data[record * size + 1..<(record + 1) * size])
        let pixels = (0..<3 * side * side).map { planes[$0 % 3 * side * side + $0 / 3] }
        return RasterImage(height: side, width: side, channels: 3, pixels: pixels)
    }

    private static func number(_ index: String, below count: Int, of path: String) throws -> Int {
        guard let number = Int(index), (0..<count).contains(number) else {
            throw FileError("\(path) has \(count) images, counted from 0, and none is \(index)")
        }
        return number
    }

    private func converted(to wanted: Int) -> RasterImage {
        guard wanted != channels else { return self }
        let count = height * width
        let converted = [UInt8](unsafeUninitializedCapacity: count * wanted) { converted, initialized in
            for i in 0..<count {
                if wanted == 1 {
                    converted[i] = Self.grey(pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2])
                } else {
                    for c in 0..<3 { converted[3 * i + c] = pixels[i] }
                }
            }
            initialized = count * wanted
        }
        return RasterImage(height: height, width: width, channels: wanted, pixels: converted)
    }

    /// Pillow's `L`, of the bytes as they are: 0.299 red + 0.587 green + 0.114 blue in 1/65536 (ITU-R BT.601), rounded.
    static func grey(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
        let sum: UInt32 = UInt32(red) * 19_595 + UInt32(green) * 38_470 + UInt32(blue) * 7_471
        return UInt8((sum + 0x8000) >> 16)
    }
}
