// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import Statistics
import Testing

@Suite struct JPEGTests {
    private func decode(_ file: [UInt8], reduction: Int = 1, maximumPixels: Int = 1 << 20) throws -> (height: Int, width: Int, rgb: [UInt8])
    {
        let decoder = ImageDecoder(maximumPixels: maximumPixels)
        return try file.withUnsafeBufferPointer { file in
            let pixels = try decoder.decode(file, try decoder.header(file), reduction: reduction)
            return (pixels.height, pixels.width, rgb(Array(UnsafeBufferPointer(start: pixels.bytes, count: pixels.stride * pixels.height))))
        }
    }

    private func fault(_ file: [UInt8], maximumPixels: Int = 1 << 20) -> String {
        do { _ = try decode(file, maximumPixels: maximumPixels) } catch { return "\(error)" }
        Issue.record("no error was thrown")
        return ""
    }

    /// Colour with three chroma subsamplings, grey and CMYK are what Pillow, with a libjpeg-turbo of its own, decodes them to:
    /// bit for bit, as both use the accurate integer transform. Were another version to round otherwise, ±1 would do.
    @Test func pixelsAreThoseOfPillow() throws {
        for vector in try PillowVectors.load().jpeg {
            let decoded = try decode(Array(vector.file))
            #expect(decoded.height == vector.height && decoded.width == vector.width, "\(vector.name)")
            let difference = zip(decoded.rgb, vector.rgb).map { abs(Int($0) - Int($1)) }.max() ?? 0
            #expect(decoded.rgb.count == vector.rgb.count && difference <= 1, "\(vector.name) differs by \(difference)")
        }
    }

    /// A ramp decoded to a half, quarter and eighth is the ramp of block means; quality 100, so within 4 of 255.
    @Test(arguments: [2, 4, 8]) func reducedDecoding(_ reduction: Int) throws {
        let (height, width) = (50, 70)
        let pixels = (0..<height * width).flatMap { (pixel: Int) -> [UInt8] in [UInt8(3 * (pixel % width)), UInt8(4 * (pixel / width)), 128]
        }
        let decoded = try decode(try encodeJPEG(pixels, width: width, height: height, channels: 3, quality: 100), reduction: reduction)
        #expect(decoded.height == (height + reduction - 1) / reduction && decoded.width == (width + reduction - 1) / reduction)
        for y in 0..<height / reduction {
            for x in 0..<width / reduction {
                let at = 3 * (y * decoded.width + x), middle = Double(reduction - 1) / 2
                let red = Double(decoded.rgb[at]) - 3 * (Double(x * reduction) + middle)
                let green = Double(decoded.rgb[at + 1]) - 4 * (Double(y * reduction) + middle)
                #expect(abs(red) <= 4 && abs(green) <= 4)
            }
        }
    }

    @Test func damagedFilesAreNamed() throws {
        let whole = try encodeJPEG((0..<64 * 64 * 3).map { hashedByte($0, seed: 1) }, width: 64, height: 64, channels: 3)
        #expect(fault(Array(whole.prefix(whole.count / 2))).contains("is damaged (Premature end of JPEG file"))
        #expect(fault(Array(whole.prefix(30))).contains("is no JPEG image"))
        #expect(fault([]).contains("is no JPEG image, and no PNG either"))
        #expect(fault([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] + whole).contains("is a damaged PNG"))
        var scrambled = whole
        for index in stride(from: whole.count / 2, to: whole.count - 20, by: 3) { scrambled[index] ^= 0x5a }
        #expect(fault(scrambled).contains("is damaged"))
        // Stray bytes before a marker do no harm, and hide nothing: libjpeg keeps the first warning alone.
        let stray = Array(whole.dropLast(2)) + [0, 0, 0] + whole.suffix(2)
        #expect(try decode(stray).rgb == decode(whole).rgb)
        let early = [0xff, 0xd8, 0] + whole.dropFirst(2)
        #expect(try decode(early).rgb == decode(whole).rgb)
        #expect(fault(Array(early.prefix(whole.count / 2))).contains("is damaged (Premature end of JPEG file"))
    }

    /// What a file gives depends on it alone: a decoder that has seen thousands of damaged files answers as a new one does.
    @Test func aUsedDecoderAnswersAsANewOne() throws {
        func answer(_ decoder: ImageDecoder, _ file: [UInt8]) -> Result<[UInt8], ImageFault> {
            Result {
                try file.withUnsafeBufferPointer { file in
                    let pixels = try decoder.decode(file, try decoder.header(file))
                    return rgb(Array(UnsafeBufferPointer(start: pixels.bytes, count: pixels.stride * pixels.height)))
                }
            }.mapError { $0 as? ImageFault ?? ImageFault("\($0)") }
        }
        let originals = [3, 1, 4].map { (channels: Int) -> [UInt8] in
            (try? encodeJPEG((0..<24 * 20 * channels).map { hashedByte($0, seed: channels) }, width: 24, height: 20, channels: channels))
                ?? []
        }
        let used = ImageDecoder(maximumPixels: 1 << 16)
        var (read, refused, random) = (0, 0, Philox(seed: 17, stream: 0))
        func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
        for trial in 0..<6000 {
            var file = originals[trial % 3]
            for _ in 0...below(3) {
                // Half of the changes in the tables and headers before the picture, where decoders keep what they read.
                let at = min(below(below(2) == 0 ? 330 : file.count), file.count - 1)
                if below(8) == 0 { file.removeSubrange(at..<min(file.count, at + 40)) } else { file[at] = UInt8(below(256)) }
            }
            let (first, second) = (answer(used, file), answer(ImageDecoder(maximumPixels: 1 << 16), file))
            #expect(first == second, "trial \(trial)")
            if case .success = first { read += 1 } else { refused += 1 }
        }
        // Neither kind may have died out.
        #expect(read > 300 && refused > 300, "\(read) read, \(refused) refused")
    }

    /// A small file that claims 65,500 × 65,500 pixels: refused by its header, before anything is allocated.
    @Test func aBombIsRefused() throws {
        let bomb = try JPEGLoaderTests.bomb()
        #expect(
            fault(bomb, maximumPixels: ImageDecoder.standardMaximumPixels)
                == "claims 65500×65500 pixels, more than the 67108864 that are decoded")
        #expect(
            fault(try encodeJPEG([UInt8](repeating: 7, count: 300), width: 10, height: 10, channels: 3), maximumPixels: 99).contains(
                "claims 10×10 pixels"))
    }
}
