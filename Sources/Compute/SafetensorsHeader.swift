// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// The header's JSON, restricted to the format's grammar: no recursion, so no depth to exhaust, and duplicates are seen.
struct SafetensorsHeader {
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
            reader.place = "tensor \(Self.quoted(name)): "
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
                guard type != nil else {
                    throw reader.fail(
                        "\(reader.place)unknown dtype \(Self.quoted(found)), expected one of "
                            + "\(StoredTensor.ElementType.allCases.map(\.rawValue).joined(separator: " "))"
                    )
                }
            case "shape": shape = try reader.integers()
            case "data_offsets": offsets = try reader.integers()
            default: throw reader.fail("\(reader.place)unknown key \(Self.quoted(key)), expected dtype, shape, data_offsets")
            }
        }
        guard let type, let shape, let offsets, offsets.count == 2, offsets[0] <= offsets[1] else {
            throw fail(
                "\(place)expected dtype, shape and data_offsets [begin, end], found \(type?.rawValue ?? "no dtype"), "
                    + "\(shape.map { "\($0)" } ?? "no shape"), \(offsets.map { "\($0)" } ?? "no data_offsets")"
            )
        }
        entries.append(Entry(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1]))
    }

    /// `{ "key": value, … }`; `value` reads what follows the colon.
    private mutating func object(_ value: (inout Self, String) throws -> Void) throws {
        var keys = Set<String>()
        try list("{", "}") { reader in
            let key = try reader.string()
            guard keys.insert(key).inserted else { throw reader.fail("\(reader.place)duplicate name \(Self.quoted(key))") }
            try reader.take(":")
            try value(&reader, key)
        }
    }

    private mutating func integers() throws -> [Int] {
        var values: [Int] = []
        try list("[", "]") { reader in
            guard values.count < 64 else { throw reader.expected("64 dimensions at most") }
            try values.append(reader.integer())
        }
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
        while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) && byte != 0x0b && byte != 0x0c }

    private func expected(_ what: String) -> SafetensorsError {
        let found = position < bytes.count ? Self.quoted(String(decoding: bytes[position...].prefix(12), as: UTF8.self)) : "its end"
        return fail("\(place)byte \(position) of the header: expected \(what), found \(found)")
    }

    // MARK: Strings

    /// JSON's form of a string, escaped as Python's `json` does (`ensure_ascii=False`).
    static func string(_ text: String) -> String {
        var json = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": json += "\\\(scalar)"
            case "\u{8}": json += "\\b"
            case "\t": json += "\\t"
            case "\n": json += "\\n"
            case "\u{c}": json += "\\f"
            case "\r": json += "\\r"
            case "\u{0}"..<" ": json += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: json.unicodeScalars.append(scalar)
            }
        }
        return json + "\""
    }

    /// A name for a one-line message: escaped and not too long.
    static func quoted(_ name: String) -> String { string(String(name.unicodeScalars.prefix(80))) }
}
