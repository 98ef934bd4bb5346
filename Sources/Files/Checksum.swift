// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Foundation

/// The CRC-32 of zlib and gzip: it tells accidental damage, not forgery.
/// - Parameter before: that of the bytes before these, where there are any.
public func crc32(_ bytes: UnsafeRawBufferPointer.SubSequence, after before: UInt32 = 0) -> UInt32 {
    var (checksum, rest) = (UInt(before), bytes)
    while !rest.isEmpty {  // zlib counts in 32 bits
        let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
        checksum = CZlib.crc32(checksum, part.bindMemory(to: UInt8.self).baseAddress, UInt32(part.count))
        rest = rest.dropFirst(part.count)
    }
    return UInt32(checksum)
}

/// The same as eight hexadecimal digits.
public func crc32Hex(_ data: Data) -> String { hex(data.withUnsafeBytes { crc32($0[...]) }) }

/// Of parts one after the other, which are not put together for it.
public func crc32Hex(_ parts: [[UInt8]]) -> String {
    hex(parts.reduce(0) { checksum, part in part.withUnsafeBytes { crc32($0[...], after: checksum) } })
}

private func hex(_ checksum: UInt32) -> String {
    let digits = String(checksum, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
}
