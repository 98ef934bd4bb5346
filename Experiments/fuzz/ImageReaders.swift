// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Datasets
import Files
import Foundation
import RasterImages

extension Reader {
    static let images = [
        Reader(name: "jpeg", about: "JPEG as `classify` reads and fits it") { folder in
            Session(seeds: try jpegSeeds()) { input, index in try fit(input, "\(folder)/image.jpg", index) }
        },
        Reader(name: "png", about: "PNG likewise") { folder in
            Session(seeds: PNGSeed.all()) { input, index in try fit(input, "\(folder)/image.png", index) }
        },
        Reader(name: "portable", about: "PPM and PGM likewise") { folder in
            let seeds = ["P6 3 2 255\n", "P5\n#grey\n6\n3 255 ", "P6\t1 6 255\n"].map {
                Seed(Array($0.utf8) + (0..<18).map { 14 * $0 }, hot: 0..<14)
            }
            return Session(seeds: seeds) { input, index in try fit(input, "\(folder)/image.ppm", index) }
        },
        Reader(name: "cifar-record", about: "a record of CIFAR-10's binary files likewise") { folder in
            let path = "\(folder)/batch.bin", marks = ["#0", "#1", "#2", "#-1", "#", "#x", "#18446744073709551616", "#+1", "##1", "#١"]
            return Session(seeds: [Seed((0..<2 * 3073).map { UInt8(truncatingIfNeeded: $0 * 7) }), Seed([])]) { input, index in
                try write(input, path)
                try use(try RasterImage(path: path + marks[index % marks.count], channels: index % 2 == 0 ? 3 : 1))
            }
        },
        Reader(name: "idx-image", about: "an image of a raw or gzipped IDX file likewise") { folder in
            let marks = ["-idx3-ubyte#0", "-idx3-ubyte#1", "-idx3-ubyte.gz#1", "-idx3-ubyte.gz#2", "-idx3-ubyte#-1", "-idx3-ubyte#"]
            let file = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 4] + (0..<40).map { UInt8(7 * $0 % 256) }
            return Session(seeds: [Seed(file, hot: 0..<16), Seed(file, hot: 0..<16, alwaysFinished: true, finish: gzipped)]) {
                input, index in
                let mark = marks[index / 2 % marks.count], path = "\(folder)/a\(mark)"
                try write(input, String(path.prefix { $0 != "#" }))
                try use(try RasterImage(path: path, channels: index % 2 == 0 ? 3 : 1))
            }
        },
        Reader(name: "jpeg-split", about: "JPEG as training and evaluation on ImageNet crop it") { folder in
            let path = "\(folder)/train/n01440764/a.JPEG"
            for place in ["train/n01440764", "train/n02102040", "val/n01440764", "val/n02102040"] {
                try makeFolder("\(folder)/\(place)")
                try write(try jpegSeeds()[0].bytes, "\(folder)/\(place)/a.JPEG")
            }
            let data = try ImageNet(folder: folder, unreadable: UnreadableImages(limit: 1) { _ in })
            let source = try data.sources(imageSize: 32).train
            let training = try source.reader(augmentation: Augmentation(smallestArea: 0.08), seed: 1),
                evaluation = try source.reader(augmentation: nil, seed: 1)
            var values = [Float](repeating: 0, count: source.imageSize)
            return Session(seeds: try jpegSeeds()) { input, index in
                try write(input, path)
                try values.withUnsafeMutableBufferPointer { values in
                    guard let start = values.baseAddress else { return }
                    _ = try (index % 2 == 0 ? training : evaluation).read(0, epoch: index, into: start)
                }
                try need(values.allSatisfy(\.isFinite), "a pixel is not finite")
            }
        }
    ]

    private static func fit(_ input: [UInt8], _ path: String, _ index: Int) throws {
        try write(input, path)
        try use(try RasterImage(path: path, channels: index % 2 == 0 ? 3 : 1))
    }

    /// What `classify` does with an image.
    private static func use(_ image: RasterImage) throws {
        try need(image.height > 0 && image.width > 0, "an image without pixels")
        try need(
            image.pixels.count == image.height * image.width * image.channels,
            "\(image.pixels.count) bytes for \(image.width)×\(image.height)×\(image.channels)")
        let fitted = image.centerCropped(resize: 16, height: 16, width: 16), scaled = image.resized(height: 5, width: 9)
        try need(
            fitted.pixels.count == 256 * image.channels && scaled.pixels.count == 45 * image.channels, "a fitted image of another size")
    }

    /// Grey, colours and CMYK, baseline; and one of several scans.
    private static func jpegSeeds() throws -> [Seed] {
        let pixels = (0..<24 * 17 * 4).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) }
        return try [1, 3, 4].map { Seed(try encodeJPEG(Array(pixels.prefix(24 * 17 * $0)), width: 24, height: 17, channels: $0)) } + [
            Seed(progressive)
        ]
    }

    /// 24×17 pixels of `x·y mod 256, 10·x, 15·y`, progressive, by Pillow 13.0.0 (`Image.save(…, progressive=True, quality=60)`).
    private static let progressive =
        Data(
            base64Encoded: """
                /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//
                2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wgARCAARABgDASIAAhEBAxEB/8QA
                GQABAQADAQAAAAAAAAAAAAAAAAUCAwQG/8QAFgEBAQEAAAAAAAAAAAAAAAAABAUD/9oADAMBAAIQAxAAAAGDR5K+2e12J5vN2y+/IElf/8QAGBAAAwEBAAAA
                AAAAAAAAAAAAAAIDARH/2gAIAQEAAQUCTBFEQnhNTOKSJEj/xAAaEQACAwEBAAAAAAAAAAAAAAAAAQIDEhEx/9oACAEDAQE/AcaJwqT42VEfD//EABoRAAIC
                AwAAAAAAAAAAAAAAAAAEAQIDETH/2gAIAQIBAT8BzL6LLyMF+n//xAAVEAEBAAAAAAAAAAAAAAAAAAAgYf/aAAgBAQAGPwI0f//EABkQAAIDAQAAAAAAAAAA
                AAAAAAARASBBUf/aAAgBAQABPyGtdTkSfBkyZP/aAAwDAQACAAMAAAAQPPj8/8QAGREBAAIDAAAAAAAAAAAAAAAAAQAQIXGx/9oACAEDAQE/EGaPK0vCx//E
                ABkRAQACAwAAAAAAAAAAAAAAAAEAEBFBUf/aAAgBAgEBPxDgiXITav8A/8QAGhABAQACAwAAAAAAAAAAAAAAEQABISBBcf/aAAgBAQABPxBSU1IanJzVhzkj
                r3PAD//Z
                """, options: .ignoreUnknownCharacters) ?? Data()
}

/// PNG files of every colour type, made by hand so that what is compressed in them can be damaged, too.
private enum PNGSeed {
    static func all() -> [Seed] {
        [(0, 1), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 8), (4, 8), (6, 8), (6, 16)].flatMap { color, bits in
            [
                seed(color: color, bits: bits, isInterlaced: false), seed(color: color, bits: bits, isInterlaced: true),
                unpacked(color: color, bits: bits)
            ]
        }
    }

    private static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]

    private static func word(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }

    private static func chunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
        let content = Array(name.utf8) + body
        return word(body.count) + content + word(Int(content.withUnsafeBytes { Files.crc32($0[...]) }))
    }

    /// Header, palette, transparency and text of 7×5 pixels.
    private static func head(color: Int, bits: Int, isInterlaced: Bool) -> [UInt8] {
        var bytes = chunk("IHDR", word(7) + word(5) + [UInt8(bits), UInt8(color), 0, 0, isInterlaced ? 1 : 0])
        bytes += chunk("gAMA", word(45_455)) + chunk("tEXt", Array("Comment".utf8) + [0, 65])
        if color == 3 { bytes += chunk("PLTE", (0..<3 * min(1 << bits, 20)).map { UInt8(truncatingIfNeeded: 13 * $0) }) }
        if color == 3 { bytes += chunk("tRNS", [0, 128]) } else if color == 0 { bytes += chunk("tRNS", [0, 1]) }
        return bytes
    }

    /// Rows of a filter's number and values; as many bytes as any interlacing needs.
    private static func rows(color: Int, bits: Int, isInterlaced: Bool) -> [UInt8] {
        let samples = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][color] ?? 1
        func row(_ width: Int, _ filter: Int) -> [UInt8] {
            [UInt8(filter)]
                + (0..<(width * samples * bits + 7) / 8).map { UInt8(truncatingIfNeeded: color == 3 && bits == 8 ? $0 % 16 : 37 * $0) }
        }
        guard isInterlaced else { return (0..<5).flatMap { row(7, $0) } }
        let passes = [(1, 1), (1, 1), (2, 1), (2, 2), (4, 1), (3, 3), (7, 2)]  // columns and rows of Adam7 for 7×5
        return passes.flatMap { width, height in (0..<height).flatMap { row(width, $0 % 5) } }
    }

    private static func packed(_ bytes: [UInt8]) -> [UInt8] {
        var size = compressBound(UInt(bytes.count))
        var result = [UInt8](repeating: 0, count: Int(size))
        return compress2(&result, &size, bytes, UInt(bytes.count), 6) == Z_OK ? Array(result.prefix(Int(size))) : []
    }

    /// A file whose chunks get right checksums again.
    private static func seed(color: Int, bits: Int, isInterlaced: Bool) -> Seed {
        let image = chunk("IDAT", packed(rows(color: color, bits: bits, isInterlaced: isInterlaced)))
        return Seed(signature + head(color: color, bits: bits, isInterlaced: isInterlaced) + image + chunk("IEND", [])) { bytes in
            var (repaired, at) = (bytes, 8)
            while at + 12 <= bytes.count {
                let length = bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
                guard length <= bytes.count - at - 12 else { break }
                let content = Array(bytes[at + 4..<at + 8 + length])
                repaired.replaceSubrange(
                    at + 8 + length..<at + 12 + length, with: word(Int(content.withUnsafeBytes { Files.crc32($0[...]) })))
                at += 12 + length
            }
            return repaired
        }
    }

    /// Rows that are compressed and put into a file after they were damaged.
    private static func unpacked(color: Int, bits: Int) -> Seed {
        let head = head(color: color, bits: bits, isInterlaced: false)
        return Seed(rows(color: color, bits: bits, isInterlaced: false), alwaysFinished: true) {
            signature + head + chunk("IDAT", packed($0)) + chunk("IEND", [])
        }
    }
}
