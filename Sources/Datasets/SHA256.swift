// SPDX-License-Identifier: GPL-3.0-or-later
import Files

/// SHA-256 of files, in hexadecimal, by coreutils' `sha256sum`: it is on every Debian machine and costs the
/// build nothing, where a cryptography package would add minutes to it.
/// - Throws: `FileError` when a file cannot be read.
package func sha256(ofFiles paths: [String]) throws -> [String] {
    let result = try runTool("sha256sum", ["--zero", "--"] + paths, package: "coreutils")
    let sums = result.output.split(separator: "\0").map { String($0.prefix(64)) }
    guard result.status == 0, sums.count == paths.count else {
        throw FileError("cannot compute checksums: \(result.complaint)")
    }
    return sums
}

/// SHA-256 of bytes that no file holds as they are, such as a gzip file's content, in hexadecimal (FIPS 180-4, section 6.2).
package func sha256(of bytes: [UInt8]) -> String {
    let whole = bytes.count / 64 * 64
    var tail = bytes[whole...] + [0x80]
    tail += [UInt8](repeating: 0, count: (120 - tail.count) % 64)
    tail += (0..<8).map { UInt8(truncatingIfNeeded: (bytes.count * 8) >> (56 - 8 * $0)) }
    var hash: SIMD8<UInt32> = [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ]
    bytes.withUnsafeBytes { addBlocks(UnsafeRawBufferPointer(rebasing: $0[..<whole]), to: &hash) }
    tail.withUnsafeBytes { addBlocks($0, to: &hash) }
    return hash.indices.map { index in
        let digits = String(hash[index], radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
}

private func addBlocks(_ blocks: UnsafeRawBufferPointer, to hash: inout SIMD8<UInt32>) {
    func rotated(_ word: UInt32, _ bits: UInt32) -> UInt32 { word >> bits | word << (32 - bits) }
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { w in
        for block in stride(from: 0, to: blocks.count, by: 64) {
            for t in 0..<16 { w[t] = UInt32(bigEndian: blocks.loadUnaligned(fromByteOffset: block + 4 * t, as: UInt32.self)) }
            for t in 16..<64 {
                let (near, far) = (w[t - 2], w[t - 15])
                let sigma1 = rotated(near, 17) ^ rotated(near, 19) ^ near >> 10, sigma0 = rotated(far, 7) ^ rotated(far, 18) ^ far >> 3
                w[t] = sigma1 &+ w[t - 7] &+ sigma0 &+ w[t - 16]
            }
            var (a, b, c, d) = (hash[0], hash[1], hash[2], hash[3]), (e, f, g, h) = (hash[4], hash[5], hash[6], hash[7])
            for t in 0..<64 {
                let sum1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25), sum0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)
                let choice = e & f ^ ~e & g, majority = a & b ^ a & c ^ b & c
                let first = h &+ sum1 &+ choice &+ roundConstants[t] &+ w[t], second = sum0 &+ majority
                (h, g, f, e, d, c, b, a) = (g, f, e, d &+ first, c, b, a, first &+ second)
            }
            hash &+= [a, b, c, d, e, f, g, h]
        }
    }
}

/// FIPS 180-4, section 4.2.2.
private let roundConstants: [UInt32] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]
