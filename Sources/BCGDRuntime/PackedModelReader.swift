// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

#if _endian(big)
#error("the packed format is little-endian and is read as it stands")
#endif

/// The file's layout (Documentation/packed-format.md).
enum PackedLayout {
    static let magic = Data("BCGDMODL".utf8)
    /// Version 2 has first units of bytes, and nothing else that version 1 has not.
    static let versions: ClosedRange<UInt32> = 1...2
    static let headerBytes = 128, unitBytes = 64
    static let checksumStart = 16
    static let most = (side: 4096, channels: 1 << 16, units: 1024, elements: 1 << 27, classes: 1 << 20, name: 1 << 12, file: 1 << 32)
}

extension PackedModel {
    /// Maps a `.bcgd` file and checks all of it.
    /// - Throws: `PackedModelError` for a file that cannot be read, is no packed model, is of a later version, or is damaged.
    public init(path: String) throws { try self.init(storage: ByteStorage(mapping: path)) }

    /// The same of bytes in memory; `path` is named in messages.
    public init(bytes: Data, path: String = "(model in memory)") throws {
        try self.init(storage: ByteStorage(copying: bytes, path: path))
    }

    private init(storage: ByteStorage) throws {
        let reader = PackedReader(storage)
        try reader.checkEnvelope()
        let unitCount = try reader.number(24, in: 2...PackedLayout.most.units, "units")
        let classCount = try reader.number(28, in: 1...PackedLayout.most.classes, "classes")
        input = Shape(
            height: try reader.number(32, in: 1...PackedLayout.most.side, "image rows"),
            width: try reader.number(36, in: 1...PackedLayout.most.side, "image columns"),
            channels: try reader.number(40, in: 1...4, "image channels"))
        let resize = try reader.number(44, in: 0...PackedLayout.most.side, "pixels of the shorter side")
        guard resize == 0 || resize >= max(input.height, input.width) else {
            throw reader.fail("images are resized to \(resize) pixels, fewer than are cut out")
        }
        fitting = resize == 0 ? .none : .centerCrop(resize: resize)
        // By scalars: to Swift CR LF is one Character, which is no line feed.
        let lines = try reader.text(offset: 48, length: 56).unicodeScalars.split(
            separator: "\n", maxSplits: classCount, omittingEmptySubsequences: false)
        guard lines.count == classCount else {
            throw reader.fail("\(lines.count > classCount ? "more" : "\(lines.count)") class names, expected \(classCount)")
        }
        classes = lines.map { String($0) }
        provenance = try reader.text(offset: 64, length: 60)
        try reader.zeros(72..<96, "the header")
        (mean, std) = (try reader.finite(at: 96, count: 4), try reader.finite(at: 112, count: 4))
        guard std.allSatisfy({ $0 > 0 }) else { throw reader.fail("a standard deviation of the pixels is not above 0") }
        var (units, shapes, sections, cost): ([Unit], [Shape], [Sections], ModelCost) = ([], [], [], ModelCost())
        for index in 0..<unitCount {
            let (unit, section) = try reader.unit(index)
            let check = UnitCheck(unit, index: index, of: unitCount, input: input, classes: classCount, units: units, shapes: shapes) {
                reader.fail("unit \(index): \($0)")
            }
            let (shape, weights) = try check.validated()
            if let excess = cost.adding(unit, weights: weights, from: index == 0 ? input : shapes[unit.input], to: shape) {
                throw reader.fail("unit \(index): \(excess)")
            }
            let numbers = unit.numbers(from: index == 0 ? input : shapes[unit.input], to: shape)
            try reader.checkNumbers(unit, section, weights: weights, numbers: numbers.a + numbers.b)
            units.append(unit)
            shapes.append(shape)
            sections.append(section)
        }
        let bytes = MapPlaces(units, shapes).bytes
        guard bytes <= ModelCost.mostMapBytes else {
            throw reader.fail("its maps need \(bytes) bytes, more than \(ModelCost.mostMapBytes)")
        }
        (self.units, self.shapes, self.sections, self.storage) = (units, shapes, sections, storage)
        try checkMagnitudes(reader.fail)
    }
}

/// Reads fields of a file whose every byte may be wrong.
struct PackedReader {
    private let storage: ByteStorage
    private var bytes: UnsafeRawBufferPointer { storage.bytes }

    init(_ storage: ByteStorage) { self.storage = storage }

    func fail(_ message: String) -> PackedModelError { PackedModelError("\(storage.path): \(message)") }

    /// Magic, version, length and checksum.
    func checkEnvelope() throws {
        guard bytes.count >= 12, Data(bytes[0..<8]) == PackedLayout.magic else {
            throw fail("not a packed model: it does not begin with \(String(decoding: PackedLayout.magic, as: UTF8.self))")
        }
        let version = word(8)
        guard PackedLayout.versions.contains(version) else {
            let (first, last) = (PackedLayout.versions.lowerBound, PackedLayout.versions.upperBound)
            throw fail(
                "packed format version \(version), this program reads versions \(first) to \(last): "
                    + "\(version > last ? "use a newer program, or export again" : "damaged")")
        }
        guard bytes.count >= PackedLayout.headerBytes else {
            throw fail("\(bytes.count) bytes, expected \(PackedLayout.headerBytes) at least: truncated")
        }
        let length = bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
        guard length == UInt64(bytes.count) else {
            throw fail("\(bytes.count) bytes, expected \(length): truncated, or something was appended")
        }
        let found = crc32(bytes[PackedLayout.checksumStart...])
        guard found == word(12) else { throw fail("damaged: its CRC-32 is \(hex(found)), expected \(hex(word(12)))") }
    }

    private func hex(_ value: UInt32) -> String { String(format: "%08x", value) }
    private func word(_ offset: Int) -> UInt32 { bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }

    func number(_ offset: Int, in allowed: ClosedRange<Int>, _ name: String) throws -> Int {
        let value = Int(word(offset))
        guard allowed.contains(value) else { throw fail("\(value) \(name), expected \(allowed.lowerBound) to \(allowed.upperBound)") }
        return value
    }

    /// `length` bytes from an offset that is in the file; both are numbers below 2^63.
    private func range(_ offset: UInt64, _ length: Int, _ name: String) throws -> Range<Int> {
        guard offset >= UInt64(PackedLayout.headerBytes), offset <= UInt64(bytes.count), length >= 0, length <= bytes.count - Int(offset)
        else {
            throw fail("\(name) at bytes \(offset) and the \(length) that follow: beyond the file's \(bytes.count)")
        }
        return Int(offset)..<Int(offset) + length
    }

    /// UTF-8 text whose u64 offset and u32 length are in the header.
    func text(offset: Int, length: Int) throws -> String {
        try string(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self), Int(word(length)))
    }

    private func string(_ offset: UInt64, _ length: Int) throws -> String {
        let range = try range(offset, length, "text")
        guard let text = String(validating: bytes[range], as: UTF8.self) else { throw fail("text at byte \(offset) is not UTF-8") }
        guard !text.utf8.contains(0) else { throw fail("text at byte \(offset) holds the byte 0, which ends texts in C") }
        return text
    }

    func zeros(_ range: Range<Int>, _ place: String) throws {
        guard bytes[range].allSatisfy({ $0 == 0 }) else { throw fail("reserved bytes of \(place) are not 0") }
    }

    func finite(at offset: Int, count: Int) throws -> [Float] {
        let values = (0..<count).map { Float(bitPattern: word(offset + 4 * $0)) }
        guard values.allSatisfy(\.isFinite) else { throw fail("a number at bytes \(offset) to \(offset + 4 * count) is not finite") }
        return values
    }

    func unit(_ index: Int) throws -> (PackedModel.Unit, PackedModel.Sections) {
        let start = PackedLayout.headerBytes + index * PackedLayout.unitBytes
        _ = try range(UInt64(start), PackedLayout.unitBytes, "unit \(index)")
        func byte(_ at: Int) -> Int { Int(bytes[start + at]) }
        func index32(_ at: Int) -> Int { Int(Int32(bitPattern: word(start + at))) }
        func offset(_ at: Int) -> UInt64 { bytes.loadUnaligned(fromByteOffset: start + at, as: UInt64.self) }
        guard let kind = PackedModel.Unit.Kind(rawValue: bytes[start]), let shortcut = PackedModel.Unit.Shortcut(rawValue: bytes[start + 6])
        else {
            throw fail("unit \(index): kind \(byte(0)) with shortcut \(byte(6)), which this version does not know")
        }
        guard kind != .firstOfBytes || word(8) >= 2 else {
            throw fail("unit \(index): kind \(byte(0)), which version \(word(8)) of the format does not have")
        }
        let numbers = try finite(at: start + 24, count: 2), nameLength = Int(word(start + 60))
        guard nameLength <= PackedLayout.most.name else {
            throw fail("unit \(index): a name of \(nameLength) bytes, more than \(PackedLayout.most.name)")
        }
        let unit = PackedModel.Unit(
            name: try string(UInt64(word(start + 56)), nameLength), kind: kind, kernel: byte(1), stride: byte(2), padding: byte(3),
            weightBits: byte(4), activationBits: byte(5), shortcut: shortcut, shortcutStride: byte(7), input: index32(8),
            shortcutInput: index32(12), outputChannels: Int(word(start + 16)), scaleCount: Int(word(start + 20)), step: numbers[0],
            stepSize: numbers[1])
        let limit = UInt64(bytes.count)
        guard offset(32) <= limit, offset(40) <= limit, offset(48) <= limit else {
            throw fail("unit \(index): its numbers lie beyond the file")
        }
        return (unit, PackedModel.Sections(weights: Int(offset(32)), scales: Int(offset(40)), channels: Int(offset(48))))
    }

    /// That weights, scales and channel numbers are in the file and are possible ones.
    func checkNumbers(_ unit: PackedModel.Unit, _ section: PackedModel.Sections, weights: Int, numbers: Int) throws {
        guard unit.hasWeights else { return }
        let bits = unit.weightBits
        let weightRange = try range(
            UInt64(section.weights), IntegerWeightPacking.bytes(bits: bits, count: weights), "weights of \(unit.name)")
        _ = try range(UInt64(section.scales), 4 * unit.scaleCount, "scales of \(unit.name)")
        _ = try range(UInt64(section.channels), 4 * numbers, "channel numbers of \(unit.name)")
        _ = try finite(at: section.channels, count: numbers)
        let scales = try finite(at: section.scales, count: unit.scaleCount)
        guard scales.allSatisfy({ $0 >= 0 }) else { throw fail("\(unit.name): a scale is below 0") }
        guard bits != 32 else {
            _ = try finite(at: section.weights, count: weights)
            return
        }
        let surplus = 8 * weightRange.count - bits * weights
        if surplus > 0, let last = weightRange.last, bytes[last] >> (8 - surplus) != 0 {
            throw fail("\(unit.name): bits after the last weight are not 0")
        }
        guard bits > 1 else { return }
        let lowest = -Int8(clamping: unit.maximumIntegerWeight) - 1
        if IntegerWeightPacking.unpack(bytes, at: section.weights, bits: bits, count: weights).contains(lowest) {
            throw fail("\(unit.name): a weight is \(lowest), which \(bits) bits do not have here")
        }
    }
}
