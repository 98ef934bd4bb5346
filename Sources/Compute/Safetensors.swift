// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

#if _endian(big)
#error("safetensors is little-endian and is copied to memory as it stands")
#endif

/// A safetensors file that breaks the format, or lacks what was asked of it; one line: file, tensor, expected, found.
public struct SafetensorsError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = oneLine(description) }
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

    /// - Throws: `FileError` when the file cannot be read, `SafetensorsError` when it breaks the format.
    public init(path: String) throws {
        try self.init(bytes: try readFile(path), path: path)
    }

    /// Decodes a file's bytes; `path` is named in messages.
    /// - Throws: `SafetensorsError` when the bytes break the format.
    public init(bytes: Data, path: String) throws {
        func fail(_ message: String) -> SafetensorsError { SafetensorsError("\(path): \(message)") }
        guard bytes.count >= 8 else {
            throw fail(Self.otherFormat(bytes) ?? "expected a safetensors file, 8 bytes at least, found \(bytes.count): truncated?")
        }
        let length = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        guard length >= 2, length <= min(bytes.count - 8, Self.longestHeader) else {
            // Only now: a header of 640 bytes begins as a pickle does.
            let most = min(bytes.count - 8, Self.longestHeader)
            throw fail(Self.otherFormat(bytes) ?? "header of \(length) bytes, expected 2 to \(most): not safetensors, or truncated")
        }
        if bytes[bytes.startIndex + 8] != UInt8(ascii: "{"), let message = Self.otherFormat(bytes) { throw fail(message) }
        let header = try bytes.withUnsafeBytes { raw in
            var reader = SafetensorsHeader(UnsafeRawBufferPointer(rebasing: raw[8..<8 + Int(length)]), fail: fail)
            try reader.read()
            return reader
        }
        let start = 8 + Int(length)
        var (end, tensors) = (0, [String: StoredTensor](minimumCapacity: header.entries.count))
        for entry in header.entries.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
            let name = SafetensorsHeader.quoted(entry.name)
            guard entry.begin == end, entry.end >= end else {
                throw fail(
                    "tensor \(name): data_offsets [\(entry.begin), \(entry.end)], expected to begin at \(end): tensors overlap or leave a "
                        + "hole"
                )
            }
            guard entry.end <= bytes.count - start else {
                throw fail("tensor \(name): ends at byte \(entry.end) of the data, found \(bytes.count - start) bytes: truncated")
            }
            let data = bytes.withUnsafeBytes { Data($0[(start + entry.begin)..<(start + entry.end)]) }
            let tensor = StoredTensor(shape: entry.shape, type: entry.type, data: data)
            guard tensor.expectedBytes == data.count else {
                throw fail(
                    "tensor \(name): \(entry.type.rawValue) \(entry.shape) takes \(tensor.expectedBytes.map(String.init) ?? "too many") "
                        + "bytes, found \(data.count)"
                )
            }
            (end, tensors[entry.name]) = (entry.end, tensor)
        }
        guard end == bytes.count - start else {
            throw fail("\(bytes.count - start - end) bytes after the last tensor, expected none")
        }
        (self.metadata, self.tensors, self.path) = (header.metadata, tensors, path)
    }

    /// What files are that end up under this name by mistake, and what to do about it; `nil` for anything else.
    private static func otherFormat(_ bytes: Data) -> String? {
        let start = String(decoding: bytes.prefix(200), as: UTF8.self)
        if start.hasPrefix("version https://git-lfs.github.com/spec/") {
            return "only a pointer of Git LFS, not the file itself: fetch that with `git lfs pull`, or download it"
        }
        if start.trimmingCharacters(in: .whitespacesAndNewlines).lowercased().firstMatch(of: /^(<!doctype html|<html|<\?xml|<head)/) != nil
        {
            return "a web page, not the file itself: open its address in a browser to see what the server says, and download the file anew"
        }
        if bytes.starts(with: [0x50, 0x4B, 3, 4]) || bytes.starts(with: [0x80, 2]) || bytes.starts(with: [0x80, 4]) {
            return
                "a file of PyTorch's (.pth: \(bytes.first == 0x50 ? "a zip archive" : "a pickle")), not safetensors: turn it into one with "
                + "`python3 Experiments/pytorch/convert_torchvision.py FILE.pth OUT.safetensors`"
        }
        return bytes.starts(with: [0x1F, 0x8B]) ? "compressed with gzip: unpack it with `gzip --decompress`" : nil
    }

    /// The values of one tensor, row-major; `shape` `nil` accepts any.
    /// - Throws: `SafetensorsError` when it is missing, has another type or another shape.
    public func values<T: StoredElement>(_: T.Type, named name: String, shape: [Int]? = nil) throws -> [T] {
        let wanted = "expected \(T.storedType.rawValue)" + (shape.map { " \($0)" } ?? "")
        guard let tensor = tensors[name] else {
            throw SafetensorsError("\(path): no tensor \(SafetensorsHeader.quoted(name)), \(wanted)")
        }
        guard tensor.type == T.storedType, tensor.shape == shape ?? tensor.shape, tensor.expectedBytes == tensor.data.count
        else {
            throw SafetensorsError(
                "\(path): tensor \(SafetensorsHeader.quoted(name)): \(wanted), found \(tensor.type.rawValue) \(tensor.shape), "
                    + "\(tensor.data.count) bytes"
            )
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
            let pairs = metadata.sorted { precedes($0.key, $1.key) }.map {
                "\(SafetensorsHeader.string($0.key)):\(SafetensorsHeader.string($0.value))"
            }
            fields.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        for (name, tensor) in order {
            guard name != "__metadata__", tensor.expectedBytes == tensor.data.count else {
                throw SafetensorsError(
                    "cannot store tensor \(SafetensorsHeader.quoted(name)): \(tensor.type.rawValue) \(tensor.shape) does not take "
                        + "\(tensor.data.count) bytes, or the name is reserved"
                )
            }
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            let end = offset + tensor.data.count
            fields.append(
                "\(SafetensorsHeader.string(name)):{\"dtype\":\"\(tensor.type.rawValue)\","
                    + "\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}"
            )
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
