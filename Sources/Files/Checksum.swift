// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Foundation

/// The CRC-32 of zlib and gzip: it tells accidental damage, not forgery.
public func crc32(_ bytes: UnsafeRawBufferPointer.SubSequence) -> UInt32 {
    var (checksum, rest) = (CZlib.crc32(0, nil, 0), bytes)
    while !rest.isEmpty {  // zlib counts in 32 bits
        let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
        checksum = CZlib.crc32(checksum, part.bindMemory(to: UInt8.self).baseAddress, UInt32(part.count))
        rest = rest.dropFirst(part.count)
    }
    return UInt32(checksum)
}

/// The same as eight hexadecimal digits.
public func crc32Hex(_ data: Data) -> String {
    let digits = String(data.withUnsafeBytes { crc32($0[...]) }, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
}
