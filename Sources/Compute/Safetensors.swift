// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

#if _endian(big)
#error("safetensors is little-endian and is copied to memory as it stands")
#endif

/// A safetensors file that breaks the format, or lacks what was asked of it; one line: file, tensor, expected, found.
public struct SafetensorsError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// A Swift number type with a safetensors counterpart.
public protocol StoredElement { static var storedType: StoredTensor.ElementType { get } }
extension Float: StoredElement { public static var storedType: StoredTensor.ElementType { .f32 } }
extension Double: StoredElement { public static var storedType: StoredTensor.ElementType { .f64 } }
extension Int64: StoredElement { public static var storedType: StoredTensor.ElementType { .i64 } }
extension Int32: StoredElement { public static var storedType: StoredTensor.ElementType { .i32 } }
extension Int8: StoredElement { public static var storedType: StoredTensor.ElementType { .i8 } }
extension UInt64: StoredElement { public static var storedType: StoredTensor.ElementType { .u64 } }
extension UInt8: StoredElement { public static var storedType: StoredTensor.ElementType { .u8 } }

/// One tensor as it lies in the file: row-major (the last dimension fastest), little-endian.
public struct StoredTensor: Equatable, Sendable {
    public enum ElementType: String, CaseIterable, Sendable {
        case f64 = "F64", f32 = "F32", f16 = "F16", bf16 = "BF16"
        case i64 = "I64", i32 = "I32", i16 = "I16", i8 = "I8"
        case u64 = "U64", u32 = "U32", u16 = "U16", u8 = "U8"
        case bool = "BOOL"

        /// Bytes an element.
        public var size: Int {
            switch self {
            case .f64, .i64, .u64: 8
            case .f32, .i32, .u32: 4
            case .f16, .bf16, .i16, .u16: 2
            case .i8, .u8, .bool: 1
            }
        }
    }

    /// Dimensions, outermost first; empty for a scalar.
    public let shape: [Int]
    public let type: ElementType
    /// Product of `shape` × `type.size` bytes.
    public let data: Data

    /// Raw bytes; `SafetensorsFile.write` refuses a count that does not fit `shape`.
    public init(shape: [Int], type: ElementType, data: Data) {
        (self.shape, self.type, self.data) = (shape, type, data)
    }

    public init<T: StoredElement>(shape: [Int], _ values: [T]) {
        self.init(shape: shape, type: T.storedType, data: values.withUnsafeBytes { Data($0) })
    }

    /// Bytes that `shape` and `type` ask for; `nil` when a dimension is negative or the product exceeds `Int`.
    var expectedBytes: Int? {
        shape.reduce(type.size as Int?) { product, dimension in
            guard let product, dimension >= 0 else { return nil }
            let (bytes, overflow) = product.multipliedReportingOverflow(by: dimension)
            return overflow ? nil : bytes
        }
    }
}

/// Named tensors and string metadata in the safetensors format (github.com/huggingface/safetensors):
/// the header's length (u64, little-endian), the header (JSON), then the tensors' bytes without a gap.
///
/// Stricter than the format in one point: an entry with a key besides `dtype`, `shape`, `data_offsets` is refused.
/// Names that differ only by Unicode normalisation count as duplicates.
public struct SafetensorsFile: Sendable {
    public var metadata: [String: String]
    public var tensors: [String: StoredTensor]
    /// Where the tensors came from, for messages.
    public let path: String

    static let longestHeader = 100_000_000

    public init(metadata: [String: String] = [:], tensors: [String: StoredTensor] = [:]) {
        (self.metadata, self.tensors, self.path) = (metadata, tensors, "(not yet a file)")
    }

    /// - Throws: `SafetensorsError` when the file cannot be read or breaks the format.
    public init(path: String) throws {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw SafetensorsError("cannot open \(path): \(String(cString: strerror(errno)))") }
        let handle = FileHandle(fileDescriptor: file, closeOnDealloc: true)
        let bytes: Data
        do { bytes = try handle.readToEnd() ?? Data() } catch {
            throw SafetensorsError("cannot read \(path): is it a regular file?")
        }
        try self.init(bytes: bytes, path: path)
    }

    /// Decodes a file's bytes; `path` is named in messages.
    /// - Throws: `SafetensorsError` when the bytes break the format.
    public init(bytes: Data, path: String) throws {
        func fail(_ message: String) -> SafetensorsError { SafetensorsError("\(path): \(message)") }
        guard bytes.count >= 8 else {
            throw fail("expected a safetensors file, 8 bytes at least, found \(bytes.count): truncated?")
        }
        let length = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        guard length >= 2, length <= min(bytes.count - 8, Self.longestHeader) else {
            throw fail("header of \(length) bytes, expected 2 to \(min(bytes.count - 8, Self.longestHeader)): not safetensors, or truncated")
        }
        let header = try bytes.withUnsafeBytes { raw in
            var reader = SafetensorsHeader(UnsafeRawBufferPointer(rebasing: raw[8..<8 + Int(length)]), fail: fail)
            try reader.read()
            return reader
        }
        let start = 8 + Int(length)
        var (end, tensors) = (0, [String: StoredTensor](minimumCapacity: header.entries.count))
        for entry in header.entries.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
            let name = quoted(entry.name)
            guard entry.begin == end, entry.end >= end else {
                throw fail("tensor \(name): data_offsets [\(entry.begin), \(entry.end)], expected to begin at \(end): tensors overlap or leave a hole")
            }
            guard entry.end <= bytes.count - start else {
                throw fail("tensor \(name): ends at byte \(entry.end) of the data, found \(bytes.count - start) bytes: truncated")
            }
            let data = bytes.withUnsafeBytes { Data($0[(start + entry.begin)..<(start + entry.end)]) }
            let tensor = StoredTensor(shape: entry.shape, type: entry.type, data: data)
            guard tensor.expectedBytes == data.count else {
                throw fail("tensor \(name): \(entry.type.rawValue) \(entry.shape) takes \(tensor.expectedBytes.map(String.init) ?? "too many") bytes, found \(data.count)")
            }
            (end, tensors[entry.name]) = (entry.end, tensor)
        }
        guard end == bytes.count - start else {
            throw fail("\(bytes.count - start - end) bytes after the last tensor, expected none")
        }
        (self.metadata, self.tensors, self.path) = (header.metadata, tensors, path)
    }

    /// The values of one tensor, row-major; `shape` `nil` accepts any.
    /// - Throws: `SafetensorsError` when it is missing, has another type or another shape.
    public func values<T: StoredElement>(_: T.Type, named name: String, shape: [Int]? = nil) throws -> [T] {
        let wanted = "expected \(T.storedType.rawValue)" + (shape.map { " \($0)" } ?? "")
        guard let tensor = tensors[name] else {
            throw SafetensorsError("\(path): no tensor \(quoted(name)), \(wanted)")
        }
        guard tensor.type == T.storedType, tensor.shape == shape ?? tensor.shape, tensor.expectedBytes == tensor.data.count
        else {
            throw SafetensorsError("\(path): tensor \(quoted(name)): \(wanted), found \(tensor.type.rawValue) \(tensor.shape), \(tensor.data.count) bytes")
        }
        let count = tensor.data.count / T.storedType.size
        return [T](unsafeUninitializedCapacity: count) { buffer, initialized in
            tensor.data.withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
            initialized = count
        }
    }

    /// The values of one F32 tensor: `values(Float.self, …)`.
    public func floats(named name: String, shape: [Int]? = nil) throws -> [Float] {
        try values(Float.self, named: name, shape: shape)
    }

    /// Writes the file; a reader sees the old one or the new one, never a part.
    /// - Throws: `SafetensorsError` for a tensor whose bytes do not fit its shape, `FileError` when writing fails.
    public func write(to path: String) throws { try writeAtomically(encoded(), to: path) }

    /// The file's bytes: the same content gives the same bytes.
    ///
    /// Tensors lie by element size, widest first, then by name: so each is aligned to its element size.
    public func encoded() throws -> Data {
        let order = tensors.sorted { a, b in
            a.value.type.size != b.value.type.size ? a.value.type.size > b.value.type.size : precedes(a.key, b.key)
        }
        var (fields, offset) = ([String](), 0)
        if !metadata.isEmpty {
            let pairs = metadata.sorted { precedes($0.key, $1.key) }.map { "\(jsonString($0.key)):\(jsonString($0.value))" }
            fields.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        for (name, tensor) in order {
            guard name != "__metadata__", tensor.expectedBytes == tensor.data.count else {
                throw SafetensorsError("cannot store tensor \(quoted(name)): \(tensor.type.rawValue) \(tensor.shape) does not take \(tensor.data.count) bytes, or the name is reserved")
            }
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            let end = offset + tensor.data.count
            fields.append("\(jsonString(name)):{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var header = Data("{\(fields.joined(separator: ","))}".utf8)
        header.append(Data(repeating: UInt8(ascii: " "), count: -header.count & 7))
        var bytes = Data(capacity: 8 + header.count + offset)
        withUnsafeBytes(of: UInt64(header.count)) { bytes.append(contentsOf: $0) }
        bytes.append(header)
        for (_, tensor) in order { bytes.append(tensor.data) }
        return bytes
    }
}

/// Order by UTF-8 bytes, which no Unicode version changes.
private func precedes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }

private func jsonString(_ text: String) -> String {
    var json = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"", "\\": json += "\\\(scalar)"
        case "\u{0}"..<" ": json += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
        default: json.unicodeScalars.append(scalar)
        }
    }
    return json + "\""
}

/// A name for a one-line message: escaped and not too long.
private func quoted(_ name: String) -> String { jsonString(name.count > 80 ? name.prefix(80) + "…" : name) }

/// The header's JSON, restricted to the format's grammar: no recursion, so no depth to exhaust, and duplicates are seen.
private struct SafetensorsHeader {
    struct Entry { let name: String, type: StoredTensor.ElementType, shape: [Int], begin: Int, end: Int }
    private(set) var entries: [Entry] = []
    private(set) var metadata: [String: String] = [:]

    private let bytes: UnsafeRawBufferPointer
    private let fail: (String) -> SafetensorsError
    private var position = 0
    /// The tensor being read, for messages.
    private var place = ""

    init(_ bytes: UnsafeRawBufferPointer, fail: @escaping (String) -> SafetensorsError) {
        (self.bytes, self.fail) = (bytes, fail)
    }

    mutating func read() throws {
        guard bytes.first == UInt8(ascii: "{") else { throw expected("'{'") }
        try object { reader, name in
            reader.place = "tensor \(quoted(name)): "
            if name == "__metadata__" {
                try reader.object { try $0.metadata[$1] = $0.string() }
            } else {
                try reader.entry(name)
            }
            reader.place = ""
        }
        skipSpace()
        guard position == bytes.count else { throw expected("spaces to the header's end") }
    }

    private mutating func entry(_ name: String) throws {
        var (type, shape, offsets): (StoredTensor.ElementType?, [Int]?, [Int]?) = (nil, nil, nil)
        try object { reader, key in
            switch key {
            case "dtype":
                let found = try reader.string()
                type = StoredTensor.ElementType(rawValue: found)
                guard type != nil else { throw reader.fail("\(reader.place)unknown dtype \(quoted(found)), expected one of \(StoredTensor.ElementType.allCases.map(\.rawValue).joined(separator: " "))") }
            case "shape": shape = try reader.integers()
            case "data_offsets": offsets = try reader.integers()
            default: throw reader.fail("\(reader.place)unknown key \(quoted(key)), expected dtype, shape, data_offsets")
            }
        }
        guard let type, let shape, let offsets, offsets.count == 2, offsets[0] <= offsets[1] else {
            throw fail("\(place)expected dtype, shape and data_offsets [begin, end], found \(type?.rawValue ?? "no dtype"), \(shape.map { "\($0)" } ?? "no shape"), \(offsets.map { "\($0)" } ?? "no data_offsets")")
        }
        entries.append(Entry(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1]))
    }

    /// `{ "key": value, … }`; `value` reads what follows the colon.
    private mutating func object(_ value: (inout Self, String) throws -> Void) throws {
        var keys = Set<String>()
        try list("{", "}") { reader in
            let key = try reader.string()
            guard keys.insert(key).inserted else { throw reader.fail("\(reader.place)duplicate name \(quoted(key))") }
            try reader.take(":")
            try value(&reader, key)
        }
    }

    private mutating func integers() throws -> [Int] {
        var values: [Int] = []
        try list("[", "]") { try values.append($0.integer()) }
        return values
    }

    private mutating func list(_ first: Character, _ last: Character, _ item: (inout Self) throws -> Void) throws {
        try take(first)
        if accept(last) { return }
        repeat { try item(&self) } while accept(",")
        try take(last)
    }

    private mutating func integer() throws -> Int {
        skipSpace()
        let digits = bytes[position...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard let value = Int(String(decoding: digits, as: UTF8.self)), digits.count == 1 || digits.first != UInt8(ascii: "0")
        else { throw expected("an integer from 0 to \(Int.max)") }
        position += digits.count
        return value
    }

    private mutating func string() throws -> String {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw expected("a string") }
        var end = position + 1
        while end < bytes.count, bytes[end] != UInt8(ascii: "\"") { end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1 }
        guard end < bytes.count,
            let text = try? JSONDecoder().decode(String.self, from: Data(bytes[position...end]))
        else { throw expected("a JSON string in UTF-8") }
        position = end + 1
        return text
    }

    private mutating func take(_ character: Character) throws {
        guard accept(character) else { throw expected("'\(character)'") }
    }

    private mutating func accept(_ character: Character) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == character.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) { position += 1 }
    }

    private func expected(_ what: String) -> SafetensorsError {
        let found = position < bytes.count ? quoted(String(decoding: bytes[position...].prefix(12), as: UTF8.self)) : "its end"
        return fail("\(place)byte \(position) of the header: expected \(what), found \(found)")
    }
}
