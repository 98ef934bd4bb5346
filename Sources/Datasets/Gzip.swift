// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Files
import Foundation

/// A file that is read from its beginning on, decompressed where it is a gzip file, whatever its name.
///
/// What follows the last gzip member and is none itself is left out, as gzip leaves it out.
final class GzipFile {
    private let path: String
    private let file: gzFile

    /// - Throws: `FileError` when it is missing or no regular file.
    init(_ path: String) throws {
        var facts = stat()
        guard stat(path, &facts) == 0 else { throw FileError("cannot read \(path): \(systemReason())") }
        guard facts.st_mode & S_IFMT == S_IFREG else { throw FileError("cannot read \(path): it is no regular file") }
        guard let file = gzopen(path, "rb") else { throw FileError("cannot read \(path): \(systemReason())") }
        (self.path, self.file) = (path, file)
    }

    deinit { gzclose_r(file) }

    /// The next `count` bytes of the content, fewer at its end, where zlib compares its CRC-32 with the one stored in the file.
    /// - Throws: `FileError` when the file is damaged.
    func read(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        // Memory only for what is there, whatever a damaged header asks for.
        while bytes.count < count {
            let wanted = min(count - bytes.count, 1 << 24)
            bytes += [UInt8](unsafeUninitializedCapacity: wanted) { $1 = max(0, Int(gzread(file, $0.baseAddress, UInt32(wanted)))) }
            var status: Int32 = 0
            let reason = gzerror(file, &status).map { String(cString: $0) } ?? "unknown error"
            guard status == Z_OK else { throw FileError("\(path) is damaged (\(reason)): replace it") }
            if gzeof(file) != 0 { break }
        }
        return bytes
    }
}
