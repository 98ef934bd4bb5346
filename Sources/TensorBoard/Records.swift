// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// TensorFlow's framing of records in a file (TFRecord), numbers little endian:
///
///     u64 length    u32 masked CRC-32C of the length    bytes    u32 masked CRC-32C of the bytes
package enum Records {
    package static func framed(_ bytes: Data) -> Data {
        let length = littleEndian(UInt64(bytes.count))
        return length + littleEndian(masked(crc32c(length))) + bytes + littleEndian(masked(crc32c(bytes)))
    }

    /// The whole records at the beginning of a file: up to the first that is cut off or damaged, as TensorBoard reads.
    package static func all(in file: Data) -> [Data] {
        var rest = file[...], records: [Data] = []
        while rest.count >= 16 {
            let head = rest.prefix(8), length = head.reversed().reduce(UInt64(0)) { (sum: UInt64, byte: UInt8) in sum << 8 | UInt64(byte) }
            guard rest.dropFirst(8).prefix(4) == littleEndian(masked(crc32c(head))), length <= UInt64(rest.count - 16) else { break }
            let body = rest.dropFirst(12).prefix(Int(length))
            guard rest.dropFirst(12 + Int(length)).prefix(4) == littleEndian(masked(crc32c(body))) else { break }
            records.append(Data(body))
            rest = rest.dropFirst(16 + Int(length))
        }
        return records
    }

    /// So that a checksum of data that holds checksums is no special case.
    static func masked(_ checksum: UInt32) -> UInt32 { (checksum >> 15 | checksum << 17) &+ 0xa282_ead8 }

    /// CRC-32C (Castagnoli; RFC 3720, appendix B.4), bits reflected.
    package static func crc32c(_ bytes: Data) -> UInt32 {
        var checksum = ~UInt32(0)
        for byte in bytes { checksum = checksum >> 8 ^ table[Int(UInt8(truncatingIfNeeded: checksum) ^ byte)] }
        return ~checksum
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        var checksum = UInt32(byte)
        for _ in 0..<8 { checksum = checksum >> 1 ^ (checksum & 1 == 1 ? 0x82f6_3b78 : 0) }
        return checksum
    }

    private static func littleEndian(_ number: some FixedWidthInteger) -> Data { withUnsafeBytes(of: number.littleEndian) { Data($0) } }
}
