// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// The bytes of a model: a file mapped into memory, or a copy of what was handed over.
final class ByteStorage: @unchecked Sendable {  // the bytes are never written
    let bytes: UnsafeRawBufferPointer
    let path: String
    private let isMapped: Bool
    var count: Int { bytes.count }

    /// Maps the file read-only. Whoever cuts it while it is in use, instead of replacing it, ends the process (SIGBUS), as with
    /// every mapped file.
    init(mapping path: String) throws {
        func fail(_ what: String) -> PackedModelError { PackedModelError("cannot \(what) \(path): \(String(cString: strerror(errno)))") }
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)  // a pipe would wait for its writer
        guard file >= 0 else { throw fail("open") }
        defer { close(file) }
        var facts = stat()
        guard fstat(file, &facts) == 0 else { throw fail("read") }
        guard facts.st_mode & S_IFMT == S_IFREG else { throw PackedModelError("\(path) is not a regular file") }
        let size = Int(facts.st_size)
        guard size > 0 else { throw PackedModelError("\(path) is empty: expected a packed model (.bcgd)") }
        guard size <= PackedLayout.most.file else {
            throw PackedModelError("\(path) has \(size) bytes, more than \(PackedLayout.most.file)")
        }
        guard let start = mmap(nil, size, PROT_READ, MAP_PRIVATE, file, 0), start != MAP_FAILED else { throw fail("map") }
        (bytes, self.path, isMapped) = (UnsafeRawBufferPointer(start: start, count: size), path, true)
    }

    init(copying data: Data, path: String) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(data.count, 1), alignment: 8)
        copy.copyBytes(from: data)
        (bytes, self.path, isMapped) = (UnsafeRawBufferPointer(rebasing: copy.prefix(data.count)), path, false)
    }

    deinit {
        if isMapped {
            munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress!), bytes.count)
        } else {
            UnsafeMutableRawPointer(mutating: bytes.baseAddress!).deallocate()
        }
    }
}

/// Integer weights of b bits in a row without gaps, the first in the lowest bits of the first byte: 1 bit is + (1) or − (0);
/// more are two's complement, the lowest value left out.
package enum IntegerWeightPacking {
    package static func bytes(bits: Int, count: Int) -> Int { (bits * count + 7) / 8 }

    package static func pack(_ integerWeights: [Int8], bits: Int) -> Data {
        var bytes = Data(count: Self.bytes(bits: bits, count: integerWeights.count))
        let mask = UInt16(1 << bits - 1)
        for (i, code) in integerWeights.enumerated() {
            let value = bits == 1 ? UInt16(code > 0 ? 1 : 0) : UInt16(UInt8(bitPattern: code)) & mask
            let shifted = value << (i * bits % 8)
            bytes[i * bits / 8] |= UInt8(truncatingIfNeeded: shifted)
            if shifted > 255 { bytes[i * bits / 8 + 1] |= UInt8(shifted >> 8) }
        }
        return bytes
    }

    /// The caller has made sure that the bytes are there.
    package static func unpack(_ bytes: UnsafeRawBufferPointer, at offset: Int, bits: Int, count: Int) -> [Int8] {
        let end = offset + Self.bytes(bits: bits, count: count)
        precondition(offset >= 0 && end <= bytes.count, "codes beyond the file")
        return [Int8](unsafeUninitializedCapacity: count) { integerWeights, initialized in
            for i in 0..<count {
                let at = offset + i * bits / 8
                let word = UInt16(bytes[at]) | (at + 1 < end ? UInt16(bytes[at + 1]) << 8 : 0)
                let value = UInt8(truncatingIfNeeded: word >> (i * bits % 8))
                // Shifted up and down again, so that the sign bit spreads.
                integerWeights[i] = bits == 1 ? Int8(2 * (value & 1)) - 1 : Int8(bitPattern: value << (8 - bits)) >> (8 - bits)
            }
            initialized = count
        }
    }
}
