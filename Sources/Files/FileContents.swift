// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// The bytes of a regular file. Whatever could block or never end (a pipe, a terminal, a device) is refused.
///
/// - Parameters:
///   - path: of the file.
///   - most: bytes that are read at most; a larger file is refused before memory is taken for it.
/// - Throws: `FileError` naming the file, with the system's reason.
public func readFile(_ path: String, most: Int = 1 << 32) throws -> Data {
    // O_NONBLOCK: opening a pipe without a writer would wait for one.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw FileError("cannot read \(path): \(systemReason())") }
    defer { close(file) }
    var facts = stat()
    guard fstat(file, &facts) == 0 else { throw FileError("cannot read \(path): \(systemReason())") }
    let kind = facts.st_mode & S_IFMT
    guard kind == S_IFREG else {
        throw FileError("cannot read \(path): it is \(kind == S_IFDIR ? "a folder" : "no regular file (a pipe or a device)")")
    }
    let size = Int(facts.st_size)
    guard size <= most else { throw FileError("cannot read \(path): it has \(size) bytes, at most \(most) are read") }
    // Foundation's own room would trap where there is none.
    guard let room = malloc(max(size, 1)) else { throw FileError("cannot read \(path): there is no memory for its \(size) bytes") }
    var have = 0
    defer { if have < size { free(room) } }
    while have < size {
        let step = read(file, room + have, size - have)
        if step < 0 && errno == EINTR { continue }
        guard step > 0 else {
            throw FileError("cannot read \(path): \(step == 0 ? "it became shorter meanwhile" : systemReason())")
        }
        have += step
    }
    return Data(bytesNoCopy: room, count: size, deallocator: .free)
}

/// The text of a UTF-8 file, without the byte-order mark that some editors write.
/// - Throws: `FileError` when it cannot be read, is larger than a text of ours, or is not UTF-8.
public func readText(_ path: String) throws -> String { try utf8Text(try readFile(path, most: 1 << 28), from: path) }

/// - Parameter source: a file's path, or words for what else the bytes come from.
public func utf8Text(_ bytes: Data, from source: String) throws -> String {
    let body = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes
    guard let text = String(validating: body, as: UTF8.self) else {
        let isUTF16 = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
        throw FileError("\(source): expected UTF-8 text, found \(isUTF16 ? "UTF-16: save it as UTF-8" : "other bytes")")
    }
    return text
}

/// The lines of a text that ends them with LF, CRLF or CR, the last one with or without its end; empty ones count.
///
/// By scalars: to Swift "\r\n" is one character, at which `split(separator: "\n")` does not split.
public func lines(of text: String) -> [String] {
    var lines: [String] = [], line = String.UnicodeScalarView(), isAfterCR = false
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\n" where isAfterCR: break  // the second half of CRLF
        case "\n", "\r":
            lines.append(String(line))
            line = String.UnicodeScalarView()
        default: line.append(scalar)
        }
        isAfterCR = scalar == "\r"
    }
    return line.isEmpty ? lines : lines + [String(line)]
}
