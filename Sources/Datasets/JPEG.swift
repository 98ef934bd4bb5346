// SPDX-License-Identifier: GPL-3.0-or-later
import CJPEG
import Foundation

// Each call has a decoder of its own: libjpeg-turbo's keep tables from one file to the next, and after an error refuse every
// other. Making one costs a 10,000th of decoding a small photograph.

/// - Throws: `ImageFault` for what is no JPEG.
func jpegHeader(_ file: UnsafeBufferPointer<UInt8>) throws -> ImageDecoder.Header {
    var (width, height, isCMYK) = (UInt32(0), UInt32(0), Int32(0))
    try expectSuccess({ "is no JPEG image that can be decoded (\($0))" }) {
        cjpeg_header(file.baseAddress, file.count, &width, &height, &isCMYK, $0)
    }
    return ImageDecoder.Header(width: Int(width), height: Int(height), kind: .jpeg(isCMYK: isCMYK != 0))
}

/// Grey is repeated; CMYK, whose bytes hold 255 − ink as Adobe writes them, becomes `k − (255 − c)·k/255`.
///
/// Stray bytes before a marker are no fault, as many encoders leave some and every reader goes on. Damage within a scan that ends with
/// such bytes, as most that libjpeg notices does, can't be told from them.
/// - Parameters:
///   - reduction: 1, 2, 4 or 8: rows and columns of the header divided by it, rounded up.
///   - width, height: reduced already.
///   - bytes: room for `[height, width, 4]`.
/// - Throws: `ImageFault` when the picture's data are damaged otherwise or end too early.
func decodeJPEG(
    _ file: UnsafeBufferPointer<UInt8>, isCMYK: Bool, reduction: Int, width: Int, height: Int, to bytes: UnsafeMutablePointer<UInt8>
) throws {
    try expectSuccess({ "is damaged (\($0))" }) {
        cjpeg_read(file.baseAddress, file.count, Int32(reduction), UInt32(width), UInt32(height), isCMYK ? 1 : 0, bytes, $0)
    }
    if isCMYK { convertCMYK(bytes, count: width * height) }
}

private func convertCMYK(_ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
    for pixel in 0..<count {
        let at = bytes + 4 * pixel
        let k = Int(at[3])
        for c in 0..<3 {
            let product = (255 - Int(at[c])) * k + 128  // Pillow's MULDIV255
            at[c] = UInt8(clamping: k - (product >> 8 + product) >> 8)
        }
    }
}

/// Encodes `[height, width, channels]` bytes as a baseline JPEG: what tests and trials make their images with.
/// - Parameters:
///   - channels: 1 grey, 3 colour, 4 CMYK.
///   - quality: 1 to 100.
package func encodeJPEG(_ pixels: [UInt8], width: Int, height: Int, channels: Int, quality: Int = 90) throws -> [UInt8] {
    precondition(pixels.count == width * height * channels && [1, 3, 4].contains(channels), "pixels are [height, width, 1, 3 or 4]")
    var (file, size): (UnsafeMutablePointer<UInt8>?, Int) = (nil, 0)
    try expectSuccess({ "cannot be encoded (\($0))" }) {
        cjpeg_write(pixels, UInt32(width), UInt32(height), Int32(channels), Int32(quality), &file, &size, $0)
    }
    defer { free(file) }
    return Array(UnsafeBufferPointer(start: file, count: size))
}
