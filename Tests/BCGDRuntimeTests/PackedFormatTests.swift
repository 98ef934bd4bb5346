// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Files
import Foundation
import RandomModels
import Statistics
import TestSupport
import Testing

@Suite struct PackedFormatTests {
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8])
    func codesSurvivePacking(bits: Int) {
        let top = bits == 1 ? 1 : 1 << (bits - 1) - 1
        var random = Philox(seed: 3, stream: UInt64(bits))
        for count in [0, 1, 2, 7, 8, 9, 1001] {
            let integerWeights = (0..<count).map { _ in
                Int8(bits == 1 ? (random.next() & 1 == 1 ? 1 : -1) : Int(random.next() % UInt64(2 * top + 1)) - top)
            }
            let bytes = IntegerWeightPacking.pack(integerWeights, bits: bits)
            #expect(bytes.count == (bits * count + 7) / 8)
            #expect(bytes.withUnsafeBytes { IntegerWeightPacking.unpack($0, at: 0, bits: bits, count: count) } == integerWeights)
        }
    }

    @Test(arguments: [
        RandomModel(), RandomModel(weightBits: 2, isScaledPerChannel: true), RandomModel(weightBits: 5, isFloatOutside: true),
        RandomModel(isOfBytes: true)
    ])
    func everythingSurvives(_ random: RandomModel) throws {
        let (contents, model) = (random.contents(), try PackedModel(bytes: random.contents().encoded()))
        #expect(model.classes == contents.classes && model.provenance == "random" && model.input == contents.input)
        #expect(Array(model.mean.prefix(3)) == contents.mean && Array(model.std.prefix(3)) == contents.std)
        for (index, entry) in contents.entries.enumerated() {
            #expect(model.units[index] == entry.unit)
            #expect(model.scales(index) == entry.scales)
            guard entry.unit.kind != .maximum else { continue }
            if entry.unit.weightBits == 32 {
                #expect(model.floatWeights(index) == entry.weights)
            } else {
                #expect(model.integerWeights(index) == entry.integerWeights)
            }
            #expect(model.a(index) == entry.a && model.b(index) == entry.b)
        }
        #expect(try contents.encoded() == model.bytes)
    }

    /// Bytes as the document has them, written here by hand.
    @Test func theHeaderIsAsDocumented() throws {
        let bytes = [UInt8](try RandomModel().contents().encoded())
        #expect(Array(bytes[0..<12]) == Array("BCGDMODL".utf8) + [1, 0, 0, 0])
        #expect(bytes[16..<24].enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) } == bytes.count)
        #expect(Array(bytes[24..<44]) == [10, 0, 0, 0, 11, 0, 0, 0, 9, 0, 0, 0, 13, 0, 0, 0, 3, 0, 0, 0])
        let third = Array(bytes[128 + 2 * 64..<128 + 3 * 64])  // conv2: 3×3, stride 1, padding 1, 1W4A, levels of unit 0 added
        #expect(Array(third[0..<24]) == [2, 3, 1, 1, 1, 4, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0])
    }

    /// Only a first unit of bytes asks for version 2, and only that version has it.
    @Test func versions() throws {
        var bytes = try RandomModel(isOfBytes: true).contents().encoded()
        #expect(bytes[8] == 2 && bytes[128] == 5)
        bytes[8] = 1
        #expect(throws: PackedModelError("m: unit 0: kind 5, which version 1 of the format does not have")) {
            try PackedModel(bytes: repaired(bytes), path: "m")
        }
        // 3×3, padding 1: three classes of rows times three of columns, 16 channels.
        let model = try PackedModel(bytes: RandomModel(isOfBytes: true).contents().encoded())
        #expect(model.borderClasses(0).count == 9 && model.a(0).count == 3 * 16 && model.b(0).count == 9 * 16)
    }

    /// Line feeds are bytes: CR LF, one Character of Swift's, has one, and CR alone has none.
    @Test func lineFeedsAreBytes() throws {
        var contents = RandomModel().contents()
        contents.classes[0] = "a\r"
        #expect(try PackedModel(bytes: contents.encoded()).classes == contents.classes)
        contents.classes[0] = "a\r\nb"
        let refused = contents
        #expect(throws: PackedModelError("a class name has a line break, which the format cannot hold")) { try refused.encoded() }
    }

    @Test func aMappedFileIsTheSameModel() throws {
        let folder = try TemporaryFolder(), path = folder.path + "/m.bcgd"
        let model = try PackedModel(bytes: RandomModel().contents().encoded())
        try model.write(to: path)
        #expect(try PackedModel(path: path).bytes == model.bytes)
    }

    // MARK: Files that are refused

    func message(_ change: (inout Data) throws -> Void) throws -> String {
        var bytes = try RandomModel().contents().encoded()
        try change(&bytes)
        do {
            _ = try PackedModel(bytes: bytes, path: "m.bcgd")
            return "accepted"
        } catch let error as PackedModelError { return error.description }
    }

    @Test func badFilesAreRefusedInOneLine() throws {
        #expect(try message { _ in } == "accepted")
        #expect(try message { $0 = Data("PK".utf8) }.contains("not a packed model"))
        #expect(try message { $0 = $0.prefix(100) }.contains("truncated"))
        #expect(try message { $0.removeLast() }.contains("truncated"))
        #expect(try message { $0.append(0) }.contains("something was appended"))
        #expect(try message { $0[8] = 3 }.contains("version 3, this program reads versions 1 to 2: use a newer program"))
        #expect(try message { $0[$0.count / 2] ^= 1 }.contains("damaged: its CRC-32"))
        #expect(throws: PackedModelError("cannot open /nonexistent.bcgd: No such file or directory")) {
            try PackedModel(path: "/nonexistent.bcgd")
        }
        #expect(throws: PackedModelError("/ is not a regular file")) { try PackedModel(path: "/") }
    }

    /// One field of unit 2 (a 3×3 convolution with a shortcut) or of the header wrong, the checksum right.
    @Test func impossibleFieldsAreNamed() throws {
        func refused(_ offset: Int, _ bytes: [UInt8]) throws -> String {
            try message { file in
                file.replaceSubrange(offset..<offset + bytes.count, with: bytes)
                file = repaired(file)
            }
        }
        let unit = 128 + 2 * 64
        for (at, bytes, part) in [
            (unit, [9], "does not know"), (unit + 1, [0], "a kernel of 1 to 255"), (unit + 1, [5], "a shortcut of the result's shape"),
            (unit + 2, [9], "a stride of 1 to 8"),
            (unit + 3, [2], "a kernel of 1 to 255"), (unit + 4, [9], "weights of 1 to 8 bits"),
            (unit + 4, [32], "weights of 1 to 8 bits"), (unit + 5, [9], "levels of 1 to 8 bits"), (unit + 6, [3], "a shortcut of values"),
            (unit + 8, [2, 0, 0, 0], "an earlier unit as input"), (unit + 8, [255, 255, 255, 255], "an earlier unit as input"),
            (unit + 12, [3, 0, 0, 0], "an earlier unit as shortcut"), (unit + 16, [17, 0, 0, 0], "output channels by sixteen"),
            (unit + 20, [2, 0, 0, 0], "one scale"), (unit + 24, [0, 0, 192, 127], "not finite"),
            (unit + 28, [0, 0, 0, 0], "a step size above 0"),
            (unit + 32, [255, 255, 255, 255, 255, 255, 255, 127], "beyond the file"), (unit + 56, [255, 255, 255, 255], "beyond the file"),
            (128 + 4 * 64 + 6, [1, 0], "a shortcut of the result's shape"), (128 + 7 * 64 + 12, [5, 0, 0, 0], "a shortcut of values"),
            (128 + 9 * 64 + 1, [0], "kernel 1, stride 1"), (128 + 9 * 64 + 16, [12, 0, 0, 0], "11 scores"),
            (128 + 8 * 64 + 5, [5], "the levels of a maximum's input"),
            (128 + 2, [9], "a kernel of 1 to 11"), (128 + 3, [2], "a kernel of 1 to 11"), (128 + 8 * 64 + 1, [16], "a window of 1 to 15"),
            (128 + 8 * 64 + 6, [1], "a shortcut only before"), (44, [12, 0, 0, 0], "fewer than are cut out"),
            (32, [255, 255, 255, 255], "image rows"), (28, [10], "more class names, expected 10"),
            (28, [12], "11 class names, expected 12"),
            (24, [255, 255, 0, 0], "units"), (72, [1], "reserved")
        ] as [(Int, [UInt8], String)] {
            let found = try refused(at, bytes)
            #expect(found.contains(part) && !found.contains("\n"), "byte \(at): \(found)")
        }
    }

    @Test func sumsThatMayOverflowAreRefused() throws {
        // 4096·9·255·127 = 1 193 840 640 fits 32 bits; twice as many channels do not.
        for (channels, fits) in [(4096, true), (8192, false)] {
            let entries: [PackedModelContents.Entry] = [
                .init(
                    .init(
                        name: "a", kind: .first, kernel: 1, weightBits: 1, activationBits: 8, input: -1, outputChannels: channels,
                        scaleCount: 1),
                    integerWeights: [Int8](repeating: 1, count: channels), scales: [1], a: [Float](repeating: 1, count: channels),
                    b: [Float](repeating: 0, count: channels)),
                .init(
                    .init(
                        name: "b", kind: .convolution, kernel: 3, padding: 1, weightBits: 8, activationBits: 4, input: 0,
                        outputChannels: 16, scaleCount: 1),
                    integerWeights: [Int8](repeating: 1, count: channels * 9 * 16), scales: [1], a: [Float](repeating: 1, count: 16),
                    b: [Float](repeating: 0, count: 16)),
                .init(
                    .init(name: "c", kind: .classifier, weightBits: 1, input: 1, outputChannels: 1, scaleCount: 1),
                    integerWeights: [Int8](repeating: 1, count: 16), scales: [1], b: [0])
            ]
            let bytes = try PackedModelContents(
                input: .init(height: 1, width: 1, channels: 1), mean: [0], std: [1], fitting: .none, classes: ["x"], provenance: "",
                entries: entries
            ).encoded()
            let model = try? PackedModel(bytes: bytes)
            #expect((model != nil) == fits)
        }
    }
}

/// The bytes with length and checksum made right, so that what lies behind them is looked at.
func repaired(_ bytes: Data) -> Data {
    guard bytes.count >= 24 else { return bytes }
    var bytes = Data(bytes)
    withUnsafeBytes(of: UInt64(bytes.count)) { bytes.replaceSubrange(16..<24, with: $0) }
    let sum = bytes.withUnsafeBytes { crc32($0[16...]) }
    withUnsafeBytes(of: sum) { bytes.replaceSubrange(12..<16, with: $0) }
    return bytes
}
