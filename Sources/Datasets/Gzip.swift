// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Files
import Foundation

/// The decompressed content of a gzip file and its CRC-32 (the gzip polynomial), which zlib has also compared
/// with the one stored in the file.
/// - Parameter size: the expected size in bytes.
/// - Throws: `FileError` when the file is missing, damaged, or of another size.
package func readGzip(_ path: String, size: Int) throws -> (bytes: [UInt8], crc32: UInt32) {
    guard let file = gzopen(path, "rb") else {
        throw FileError("cannot read \(path): \(String(cString: strerror(errno)))")
    }
    defer { gzclose_r(file) }
    // One byte more than expected: it shows a longer file, and makes zlib reach and check the trailer.
    var bytes = [UInt8](repeating: 0, count: size + 1)
    let count = bytes.withUnsafeMutableBytes { Int(gzread(file, $0.baseAddress, UInt32($0.count))) }
    var status: Int32 = 0
    let reason = gzerror(file, &status).map { String(cString: $0) } ?? "unknown error"
    guard count >= 0, status == Z_OK else {
        throw FileError("\(path) is damaged (\(reason)): replace it")
    }
    guard count == size else {
        throw FileError("\(path) holds \(count > size ? "more than \(size)" : "\(count)") bytes, expected \(size): replace it")
    }
    bytes.removeLast()
    let sum = bytes.withUnsafeBytes { crc32_z(0, $0.bindMemory(to: UInt8.self).baseAddress, $0.count) }
    return (bytes, UInt32(truncatingIfNeeded: sum))
}
