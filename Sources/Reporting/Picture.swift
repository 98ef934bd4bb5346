// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// Whether the file is a picture from its beginning to its end: of a full disk gnuplot says nothing, and leaves the first part.
///
/// PNG: the signature, then chunks with right checksums, the last one, IEND, at the end of the file (PNG specification, sections
/// 5.2, 5.3 and 11.2.5). SVG: the closing tag at the end.
public func isWholePicture(_ path: String) -> Bool {
    guard let data = try? readFile(path) else { return false }
    return path.hasSuffix(".png") || path.hasSuffix(".png.part") ? isWholePNG(data) : isWholeSVG(data)
}

private func isWholePNG(_ data: Data) -> Bool {
    guard data.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) else { return false }
    return data.withUnsafeBytes { bytes in
        func number(at offset: Int) -> Int { bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) } }
        var place = 8
        // A chunk is its length, its type, so many bytes, and the checksum of the type and these.
        while place + 12 <= bytes.count {
            let length = number(at: place), end = place + 8 + length
            guard end + 4 <= bytes.count, Int(crc32(bytes[place + 4..<end])) == number(at: end) else { return false }
            if bytes[place + 4..<place + 8].elementsEqual("IEND".utf8) { return end + 4 == bytes.count }
            place = end + 4
        }
        return false
    }
}

private func isWholeSVG(_ data: Data) -> Bool {
    guard let text = String(validating: data, as: UTF8.self) else { return false }
    return text.contains("<svg") && text.trimmingCharacters(in: .whitespacesAndNewlines).hasSuffix("</svg>")
}
