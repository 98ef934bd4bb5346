// SPDX-License-Identifier: GPL-3.0-or-later
import CTurboJPEG
import Foundation

/// Why a file gives no image; completes a sentence that begins with its path.
package struct ImageFault: Error, CustomStringConvertible, Equatable {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Decodes JPEG files by libjpeg-turbo; belongs to one thread. Its memory is that of the largest image so far, at most
/// `maximumPixels` of four bytes.
package final class JPEGDecoder {
    /// What the file says of itself.
    package struct Header: Equatable {
        package let width, height: Int
        /// CMYK or YCCK.
        package let isCMYK: Bool
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

    private let handle: tjhandle
    private let maximumPixels: Int
    private var pixels = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 0)

    package init(maximumPixels: Int = standardMaximumPixels) throws {
        guard let handle = tjInitDecompress() else { throw ImageFault("cannot be decoded: libjpeg-turbo does not start: no memory?") }
        (self.handle, self.maximumPixels) = (handle, maximumPixels)
    }

    deinit {
        tjDestroy(handle)
        pixels.deallocate()
    }

    /// Reads the header; nothing is allocated yet.
    /// - Throws: `ImageFault` for what is no JPEG, or has more pixels than the decoder takes.
    package func header(_ file: UnsafeBufferPointer<UInt8>) throws -> Header {
        var (width, height, subsampling, colors) = (Int32(0), Int32(0), Int32(-1), Int32(-1))
        let status = tjDecompressHeader3(handle, file.baseAddress, UInt(file.count), &width, &height, &subsampling, &colors)
        // An unusual chroma subsampling is an error to this call, but is decoded all the same; a file that ends before its
        // picture is none.
        guard width > 0, height > 0, status == 0 || colors >= 0 else { throw ImageFault("is no JPEG image that can be decoded (\(complaint))") }
        guard Int(width) * Int(height) <= maximumPixels else {
            throw ImageFault("claims \(width)×\(height) pixels, more than the \(maximumPixels) that are decoded")
        }
        return Header(width: Int(width), height: Int(height), isCMYK: colors == TJCS_CMYK.rawValue || colors == TJCS_YCCK.rawValue)
    }

    /// Decodes the image whose header was just read.
    ///
    /// Colours are Pillow's `convert("RGB")`: grey is repeated; CMYK, whose bytes hold 255 − ink as Adobe writes them, becomes
    /// `k − (255 − c)·k/255`.
    /// - Parameter reduction: 1, 2, 4 or 8: decodes to width and height divided by it (rounded up), at less cost.
    /// - Throws: `ImageFault` when the picture's data are damaged or end too early.
    package func decode(_ file: UnsafeBufferPointer<UInt8>, _ header: Header, reduction: Int = 1) throws -> Pixels {
        precondition([1, 2, 4, 8].contains(reduction), "libjpeg-turbo reduces by 1, 2, 4 or 8")
        let width = (header.width + reduction - 1) / reduction, height = (header.height + reduction - 1) / reduction
        if pixels.count < 4 * width * height {
            pixels.deallocate()
            pixels = .allocate(capacity: 4 * width * height)
        }
        guard let bytes = pixels.baseAddress else { throw ImageFault("has no pixels") }
        let format = header.isCMYK ? TJPF_CMYK : TJPF_RGBX
        let status = tjDecompress2(
            handle, file.baseAddress, UInt(file.count), bytes, Int32(width), 0, Int32(height), Int32(format.rawValue), TJFLAG_LIMITSCANS)
        // Stray bytes between segments do no harm to the picture, and many cameras leave some.
        guard status == 0 || (tjGetErrorCode(handle) == TJERR_WARNING.rawValue && complaint.contains("extraneous bytes")) else {
            throw ImageFault("is damaged (\(complaint))")
        }
        if header.isCMYK { Self.convertCMYK(bytes, count: width * height) }
        return Pixels(width: width, height: height, bytes: UnsafePointer(bytes))
    }

    private static func convertCMYK(_ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
        for pixel in 0..<count {
            let at = bytes + 4 * pixel
            let k = Int(at[3])
            for c in 0..<3 {
                let product = (255 - Int(at[c])) * k + 128  // Pillow's MULDIV255
                at[c] = UInt8(clamping: k - (product >> 8 + product) >> 8)
            }
        }
    }

    private var complaint: String { String(cString: tjGetErrorStr2(handle)) }
}

/// A whole JPEG file as `[height, width, 3]` bytes.
/// - Throws: `ImageFault` when it cannot be decoded.
package func decodeJPEG(_ file: [UInt8]) throws -> (height: Int, width: Int, pixels: [UInt8]) {
    let decoder = try JPEGDecoder()
    return try file.withUnsafeBufferPointer { file in
        let image = try decoder.decode(file, try decoder.header(file))
        return (image.height, image.width, (0..<3 * image.width * image.height).map { image.bytes[$0 / 3 * 4 + $0 % 3] })
    }
}

/// Encodes `[height, width, channels]` bytes as a baseline JPEG: what tests and trials make their images with.
/// - Parameters:
///   - channels: 1 grey, 3 colour, 4 CMYK.
///   - quality: 1 to 100.
package func encodeJPEG(_ pixels: [UInt8], width: Int, height: Int, channels: Int, quality: Int = 90) throws -> [UInt8] {
    precondition(pixels.count == width * height * channels, "pixels are [height, width, channels]")
    let formats = [1: (TJPF_GRAY, TJSAMP_GRAY), 3: (TJPF_RGB, TJSAMP_420), 4: (TJPF_CMYK, TJSAMP_444)]
    guard let (format, subsampling) = formats[channels], let handle = tjInitCompress() else { throw ImageFault("cannot be encoded") }
    defer { tjDestroy(handle) }
    var (bytes, size): (UnsafeMutablePointer<UInt8>?, UInt) = (nil, 0)
    defer { tjFree(bytes) }
    let status = tjCompress2(
        handle, pixels, Int32(width), 0, Int32(height), Int32(format.rawValue), &bytes, &size, Int32(subsampling.rawValue), Int32(quality), 0)
    guard status == 0, let bytes else { throw ImageFault("cannot be encoded (\(String(cString: tjGetErrorStr2(handle))))") }
    return Array(UnsafeBufferPointer(start: bytes, count: Int(size)))
}
