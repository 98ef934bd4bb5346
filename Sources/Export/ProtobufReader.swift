// SPDX-License-Identifier: GPL-3.0-or-later

/// A file that is no ONNX model, a damaged one, or one that cannot become a packed model; one line.
public struct ONNXError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = description.split(whereSeparator: \.isNewline).joined(separator: " ") }
}

/// A message in the wire format of Protocol Buffers, whose every byte may be wrong. Groups, which ONNX has none of, are refused.
struct ProtobufReader {
    enum Value {
        case varint(UInt64), fixed32(UInt32), fixed64(UInt64)
        case bytes(Range<Int>)
    }

    let bytes: [UInt8]
    private var position: Int
    private let end: Int

    init(_ bytes: [UInt8]) { (self.bytes, position, end) = (bytes, 0, bytes.count) }
    private init(_ other: ProtobufReader, _ range: Range<Int>) {
        (bytes, position, end) = (other.bytes, range.lowerBound, range.upperBound)
    }

    /// Calls `body` with each field's number and value.
    func forEach(_ body: (Int, Value) throws -> Void) throws {
        var reader = self
        while reader.position < end {
            let key = try reader.varint()
            guard key >> 3 > 0, key >> 3 < 1 << 29 else { throw ONNXError("a damaged ONNX file: field number \(key >> 3)") }
            try body(Int(key >> 3), try reader.value(wireType: Int(key & 7)))
        }
    }

    func message(_ range: Range<Int>) -> ProtobufReader { ProtobufReader(self, range) }

    func text(_ range: Range<Int>) throws -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else {
            throw ONNXError("a damaged ONNX file: a text is not UTF-8")
        }
        return text
    }

    /// Numbers of a repeated field: one, or many in a row.
    func varints(_ value: Value) throws -> [Int] {
        switch value {
        case .varint(let one): return [Int(truncatingIfNeeded: one)]
        case .bytes(let range):
            var (reader, numbers) = (message(range), [Int]())
            while reader.position < reader.end { numbers.append(Int(truncatingIfNeeded: try reader.varint())) }
            return numbers
        default: throw ONNXError("a damaged ONNX file: numbers of another type")
        }
    }

    private mutating func value(wireType: Int) throws -> Value {
        switch wireType {
        case 0: return .varint(try varint())
        case 1: return .fixed64(try fixed(8))
        case 2:
            let length = try varint()
            guard length <= UInt64(end - position) else {
                throw ONNXError("a damaged ONNX file: \(length) bytes at \(position), where \(end - position) are left")
            }
            defer { position += Int(length) }
            return .bytes(position..<position + Int(length))
        case 5: return .fixed32(UInt32(truncatingIfNeeded: try fixed(4)))
        default: throw ONNXError("a damaged ONNX file: wire type \(wireType) at byte \(position)")
        }
    }

    private mutating func fixed(_ count: Int) throws -> UInt64 {
        guard count <= end - position else { throw ONNXError("a damaged ONNX file: it ends inside of a number") }
        defer { position += count }
        return (0..<count).reduce(0) { $0 | UInt64(bytes[position + $1]) << (8 * $1) }
    }

    private mutating func varint() throws -> UInt64 {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard position < end else { throw ONNXError("a damaged ONNX file: it ends inside of a number") }
            let byte = UInt64(bytes[position])
            position += 1
            number |= (byte & 127) << shift
            if byte < 128 { return number }
        }
        throw ONNXError("a damaged ONNX file: a number of more than 64 bits at byte \(position)")
    }
}
