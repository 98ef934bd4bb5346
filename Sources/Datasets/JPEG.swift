// SPDX-License-Identifier: GPL-3.0-or-later
import CTurboJPEG
import Foundation

// Each call has a decoder of its own: libjpeg-turbo's keep tables from one file to the next, and after an error refuse every
// other. Making one costs 0.2 µs, a 10,000th of decoding a small photograph.

/// - Throws: `ImageFault` for what is no JPEG.
func jpegHeader(_ file: UnsafeBufferPointer<UInt8>) throws -> ImageDecoder.Header {
    let decoder = try handle(tjInitDecompress())
    defer { tjDestroy(decoder) }
    var (width, height, subsampling, colors) = (Int32(0), Int32(0), Int32(-1), Int32(-1))
    let status = tjDecompressHeader3(decoder, file.baseAddress, UInt(file.count), &width, &height, &subsampling, &colors)
    // An unusual chroma subsampling is an error to this call, but is decoded all the same; a file that ends before its
    // picture is none.
    guard width > 0, height > 0, status == 0 || colors >= 0 else {
        throw ImageFault("is no JPEG image that can be decoded (\(complaint(decoder)))")
    }
    let isCMYK = colors == TJCS_CMYK.rawValue || colors == TJCS_YCCK.rawValue
    return ImageDecoder.Header(width: Int(width), height: Int(height), kind: .jpeg(isCMYK: isCMYK))
}

/// Grey is repeated; CMYK, whose bytes hold 255 − ink as Adobe writes them, becomes `k − (255 − c)·k/255`.
/// - Parameters:
///   - width, height: the header's, or reduced.
///   - bytes: room for `[height, width, 4]`.
/// - Throws: `ImageFault` when the picture's data are damaged or end too early.
func decodeJPEG(_ file: UnsafeBufferPointer<UInt8>, isCMYK: Bool, width: Int, height: Int, to bytes: UnsafeMutablePointer<UInt8>) throws {
    let decoder = try handle(tjInitDecompress())
    defer { tjDestroy(decoder) }
    let format = isCMYK ? TJPF_CMYK : TJPF_RGBX
    let status = tjDecompress2(
        decoder, file.baseAddress, UInt(file.count), bytes, Int32(width), 0, Int32(height), Int32(format.rawValue), TJFLAG_LIMITSCANS)
    // Stray bytes between segments do no harm to the picture, and many cameras leave some.
    guard status == 0 || (tjGetErrorCode(decoder) == TJERR_WARNING.rawValue && complaint(decoder).contains("extraneous bytes")) else {
        throw ImageFault("is damaged (\(complaint(decoder)))")
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

private func complaint(_ handle: tjhandle) -> String { String(cString: tjGetErrorStr2(handle)) }

private func handle(_ made: tjhandle?) throws -> tjhandle {
    guard let made else { throw ImageFault("cannot be decoded: libjpeg-turbo does not start: no memory?") }
    return made
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
        handle, pixels, Int32(width), 0, Int32(height), Int32(format.rawValue), &bytes, &size, Int32(subsampling.rawValue), Int32(quality),
        0)
    guard status == 0, let bytes else { throw ImageFault("cannot be encoded (\(String(cString: tjGetErrorStr2(handle))))") }
    return Array(UnsafeBufferPointer(start: bytes, count: Int(size)))
}
