// SPDX-License-Identifier: GPL-3.0-or-later
import CJPEG
import CPNG

/// Why a file gives no image; completes a sentence that begins with its path.
package struct ImageFault: Error, CustomStringConvertible, Equatable {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Decodes image files, JPEG or PNG as their first bytes say (ImageNet has a PNG named .JPEG); belongs to one thread.
///
/// What a file gives depends on that file alone: nothing but room for pixels stays from one to the next. Its memory is that of
/// the largest image so far, at most `maximumPixels` of four bytes.
///
/// Colours are those of Pillow's `convert("RGB")`: the file's bytes, whatever it says of gamma, white point or profile; alpha and
/// transparent colours are left out, as they are there. Of 16 bits the upper 8 count: so Pillow reads 16-bit colours. 16-bit grey
/// it cuts off at 255, which leaves no picture. EXIF orientation plays no role, as in torchvision.
package final class ImageDecoder {
    /// What the file says of itself.
    package struct Header: Equatable {
        package enum Kind: Equatable, Sendable { case jpeg(isCMYK: Bool), png }
        package let width, height: Int
        package let kind: Kind

        package init(width: Int, height: Int, kind: Kind) { (self.width, self.height, self.kind) = (width, height, kind) }

        /// Whether decoding to fewer pixels is possible.
        package var isReducible: Bool { kind != .png }
    }

    /// Decoded pixels of four bytes (red, green, blue, unused), valid until the next call.
    package struct Pixels {
        package let width, height: Int
        package let bytes: UnsafePointer<UInt8>

        package init(width: Int, height: Int, bytes: UnsafePointer<UInt8>) {
            (self.width, self.height, self.bytes) = (width, height, bytes)
        }

        package var stride: Int { 4 * width }
    }

    /// No image of ImageNet comes near it; a larger one is taken for a decompression bomb.
    package static let standardMaximumPixels = 1 << 26
    /// Rows or columns; a JPEG cannot have more.
    package static let maximumSide = 65_535

    private let maximumPixels: Int
    private var pixels = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 0)

    package init(maximumPixels: Int = standardMaximumPixels) { self.maximumPixels = maximumPixels }

    deinit { pixels.deallocate() }

    /// Reads the header; nothing is allocated yet.
    /// - Throws: `ImageFault` for what is no image, or has more pixels than the decoder takes.
    package func header(_ file: UnsafeBufferPointer<UInt8>) throws -> Header {
        let header: Header
        if file.starts(with: pngSignature) {
            header = try pngHeader(file)
        } else if file.starts(with: [0xff, 0xd8]) {
            header = try jpegHeader(file)
        } else {
            throw ImageFault("is no JPEG image, and no PNG either")
        }
        try Self.check(width: header.width, height: header.height, maximumPixels: maximumPixels)
        return header
    }

    /// For every reader of images, before it takes memory for one.
    /// - Throws: `ImageFault` for an image without pixels or with too many.
    package static func check(width: Int, height: Int, maximumPixels: Int = standardMaximumPixels) throws {
        guard width > 0, height > 0 else { throw ImageFault("claims \(width)×\(height) pixels") }
        guard max(width, height) <= maximumSide else {
            throw ImageFault("claims \(width)×\(height) pixels, more than the \(maximumSide) a side that are decoded")
        }
        guard width * height <= maximumPixels else {
            throw ImageFault("claims \(width)×\(height) pixels, more than the \(maximumPixels) that are decoded")
        }
    }

    /// Decodes the image whose header was just read.
    /// - Parameter reduction: 1, or 2, 4 or 8 where the header is reducible: decodes to width and height divided by it (rounded
    ///   up), at less cost.
    /// - Throws: `ImageFault` when the picture's data are damaged or end too early.
    package func decode(_ file: UnsafeBufferPointer<UInt8>, _ header: Header, reduction: Int = 1) throws -> Pixels {
        precondition(header.isReducible ? [1, 2, 4, 8].contains(reduction) : reduction == 1, "libjpeg-turbo reduces by 1, 2, 4 or 8")
        let width = (header.width + reduction - 1) / reduction, height = (header.height + reduction - 1) / reduction
        if pixels.count < 4 * width * height {
            pixels.deallocate()
            pixels = .allocate(capacity: 4 * width * height)
        }
        guard let bytes = pixels.baseAddress else { throw ImageFault("has no pixels") }
        switch header.kind {
        case .jpeg(let isCMYK): try decodeJPEG(file, isCMYK: isCMYK, reduction: reduction, width: width, height: height, to: bytes)
        case .png: try decodePNG(file, width: width, height: height, to: bytes)
        }
        return Pixels(width: width, height: height, bytes: UnsafePointer(bytes))
    }
}

// MARK: PNG

private let pngSignature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

/// Signature, then the chunk IHDR: length, name, width and height, big-endian; the rest is libpng's matter.
private func pngHeader(_ file: UnsafeBufferPointer<UInt8>) throws -> ImageDecoder.Header {
    guard file.count >= 24, file[12..<16].elementsEqual("IHDR".utf8) else {
        throw ImageFault("is a damaged PNG: it does not begin with its size")
    }
    func number(_ offset: Int) -> Int { file[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) } }
    return ImageDecoder.Header(width: number(16), height: number(20), kind: .png)
}

/// - Parameter bytes: room for `[height, width, 4]`.
private func decodePNG(_ file: UnsafeBufferPointer<UInt8>, width: Int, height: Int, to bytes: UnsafeMutablePointer<UInt8>) throws {
    try expectSuccess({ "is a damaged PNG: \($0)" }) {
        cpng_read(file.baseAddress, file.count, UInt32(width), UInt32(height), bytes, $0)
    }
}

// MARK: C

/// - Parameters:
///   - fault: what is wrong with the file, from the library's words.
///   - body: returns 0 when it has written such words to where it is given room for them.
/// - Throws: `ImageFault` then.
func expectSuccess(_ fault: (String) -> String, _ body: (UnsafeMutablePointer<CChar>) -> Int32) throws {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(max(CPNG_MESSAGE_BYTES, CJPEG_MESSAGE_BYTES))) { message in
        guard let room = message.baseAddress, body(room) == 0 else { return }
        throw ImageFault(fault(String(cString: room)))
    }
}
