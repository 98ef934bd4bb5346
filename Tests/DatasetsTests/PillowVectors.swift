// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import Testing

/// What Pillow and torchvision make of small images; `pillow_vectors.py` wrote the file, which says with which versions.
struct PillowVectors: Decodable {
    struct Resize: Decodable, Sendable {
        let height, width, seed: Int
        /// Row, column, height, width.
        let window: [Int]
        /// Height, width.
        let to: [Int]
        let rgb: Data
    }
    struct Test: Decodable, Sendable {
        let height, width, seed: Int
        let resize: Int?
        let crop: Int
        let rgb: Data
    }
    struct JPEG: Decodable, Sendable {
        let name: String
        let height, width: Int
        let file, rgb: Data
    }
    let resize: [Resize]
    let test: [Test]
    let jpeg: [JPEG]

    static func load() throws -> PillowVectors {
        let url = try #require(Bundle.module.url(forResource: "Vectors/pillow", withExtension: "json"))
        return try JSONDecoder().decode(PillowVectors.self, from: Data(contentsOf: url))
    }
}

/// `byte` of the script.
func hashedByte(_ index: Int, seed: Int) -> UInt8 {
    var h = UInt32(truncatingIfNeeded: index) &+ UInt32(truncatingIfNeeded: seed) &* 0x9E37_79B9
    h = (h ^ h >> 16) &* 0x85EB_CA6B
    h = (h ^ h >> 13) &* 0xC2B2_AE35
    return UInt8(truncatingIfNeeded: h ^ h >> 16)
}

/// The script's image, four bytes a pixel.
func hashedPixels(height: Int, width: Int, seed: Int) -> [UInt8] {
    (0..<height * width).flatMap { pixel in (0..<3).map { hashedByte(3 * pixel + $0, seed: seed) } + [0] }
}

/// A part of an image of four bytes a pixel.
func cut(_ pixels: [UInt8], width: Int, _ part: PixelWindow) -> [UInt8] {
    var bytes: [UInt8] = []
    for row in part.row..<part.row + part.height {
        let start = 4 * (row * width + part.column)
        bytes += pixels[start..<start + 4 * part.width]
    }
    return bytes
}

/// Without every fourth byte.
func rgb(_ pixels: [UInt8]) -> [UInt8] { pixels.indices.filter { $0 % 4 < 3 }.map { pixels[$0] } }
