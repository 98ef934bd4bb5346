// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// What goes into a packed model; the bytes follow from it (Documentation/packed-format.md).
public struct PackedModelContents {
    /// A unit with its numbers. `integerWeights` or, at 32 weight bits, `weights` are `[O, I, K, K]` or `[O, I]`.
    public struct Entry {
        public let unit: PackedModel.Unit
        public let integerWeights: [Int8]
        public let weights, scales, a, b: [Float]

        public init(
            _ unit: PackedModel.Unit, integerWeights: [Int8] = [], weights: [Float] = [], scales: [Float] = [], a: [Float] = [],
            b: [Float] = []
        ) {
            (self.unit, self.integerWeights, self.weights, self.scales, self.a, self.b) = (unit, integerWeights, weights, scales, a, b)
        }
    }

    public var input: PackedModel.Shape
    public var mean, std: [Float]
    public var fitting: PackedModel.Fitting
    public var classes: [String]
    public var provenance: String
    public var entries: [Entry]

    public init(
        input: PackedModel.Shape, mean: [Float], std: [Float], fitting: PackedModel.Fitting, classes: [String], provenance: String,
        entries: [Entry]
    ) {
        (self.input, self.mean, self.std, self.fitting) = (input, mean, std, fitting)
        (self.classes, self.provenance, self.entries) = (classes, provenance, entries)
    }

    /// The file's bytes: the same contents give the same bytes.
    /// - Throws: `PackedModelError` for what the format cannot hold.
    public func encoded() throws -> Data {
        guard classes.allSatisfy({ !$0.utf8.contains(10) }) else {
            throw PackedModelError("a class name has a line break, which the format cannot hold")
        }
        guard mean.count <= 4, std.count <= 4 else {
            throw PackedModelError("images have \(max(mean.count, std.count)) colours, and the format holds up to 4")
        }
        guard (classes + [provenance] + entries.map(\.unit.name)).allSatisfy({ !$0.utf8.contains(0) }) else {
            throw PackedModelError("a name or the provenance has the byte 0, which the format cannot hold")
        }
        var file = Data(count: PackedLayout.headerBytes + entries.count * PackedLayout.unitBytes)
        file.replaceSubrange(0..<8, with: PackedLayout.magic)
        // The oldest that can say it, so that older programs read what they can.
        file.store(entries.contains { $0.unit.kind == .firstOfBytes } ? PackedLayout.versions.upperBound : 1, at: 8)
        for (at, value) in [(24, entries.count), (28, classes.count), (32, input.height), (36, input.width), (40, input.channels)] {
            file.store(UInt32(value), at: at)
        }
        if case .centerCrop(let side) = fitting { file.store(UInt32(side), at: 44) }
        func padded(_ values: [Float], _ filler: Float) -> [Float] { values + [Float](repeating: filler, count: 4 - values.count) }
        for (i, value) in (padded(mean, 0) + padded(std, 1)).enumerated() { file.store(value.bitPattern, at: 96 + 4 * i) }
        for (index, entry) in entries.enumerated() {
            try append(entry, at: PackedLayout.headerBytes + index * PackedLayout.unitBytes, to: &file)
        }
        for (text, offset, length) in [(classes.joined(separator: "\n"), 48, 56), (provenance, 64, 60)] {
            file.store(UInt64(file.count), at: offset)
            file.store(UInt32(text.utf8.count), at: length)
            file.append(contentsOf: text.utf8)
        }
        file.store(UInt64(file.count), at: 16)
        file.store(file.withUnsafeBytes { crc32($0[PackedLayout.checksumStart...]) }, at: 12)
        return file
    }

    private func append(_ entry: Entry, at start: Int, to file: inout Data) throws {
        let unit = entry.unit
        guard let names = UInt32(exactly: file.count) else {
            throw PackedModelError("\(unit.name) begins at byte \(file.count), beyond 4 GiB, which the format cannot hold")
        }
        let bytes = [
            Int(unit.kind.rawValue), unit.kernel, unit.stride, unit.padding, unit.weightBits, unit.activationBits,
            Int(unit.shortcut.rawValue),
            unit.shortcutStride
        ]
        for (i, number) in bytes.enumerated() {
            guard let byte = UInt8(exactly: number) else {
                throw PackedModelError(
                    "\(unit.name) has a kernel of \(unit.kernel), stride \(unit.stride) and padding \(unit.padding), of which the format "
                        + "holds up to 255")
            }
            file[start + i] = byte
        }
        file.store(Int32(unit.input), at: start + 8)
        file.store(Int32(unit.shortcutInput), at: start + 12)
        file.store(UInt32(unit.outputChannels), at: start + 16)
        file.store(UInt32(unit.scaleCount), at: start + 20)
        file.store(unit.step.bitPattern, at: start + 24)
        file.store(unit.stepSize.bitPattern, at: start + 28)
        file.store(names, at: start + 56)
        file.store(UInt32(unit.name.utf8.count), at: start + 60)
        file.append(contentsOf: unit.name.utf8)
        let weights =
            unit.weightBits == 32
            ? entry.weights.littleEndian : IntegerWeightPacking.pack(entry.integerWeights, bits: max(unit.weightBits, 1))
        for (i, part) in [weights, entry.scales.littleEndian, (entry.a + entry.b).littleEndian].enumerated() {
            file.append(Data(count: -file.count & 3))
            file.store(UInt64(file.count), at: start + 32 + 8 * i)
            file.append(part)
        }
    }
}

extension Data {
    fileprivate mutating func store(_ value: some FixedWidthInteger, at offset: Int) {
        Swift.withUnsafeBytes(of: value.littleEndian) { replaceSubrange(offset..<offset + $0.count, with: $0) }
    }
}

extension [Float] {
    fileprivate var littleEndian: Data { withUnsafeBytes { Data($0) } }
}

extension PackedModel {
    /// The file's bytes.
    public var bytes: Data { Data(storage.bytes) }

    /// Writes the file atomically: a reader sees the old one or the new one.
    /// - Throws: `FileError` with the system's reason.
    public func write(to path: String) throws { try writeAtomically(bytes, to: path) }
}
