// SPDX-License-Identifier: GPL-3.0-or-later
import Training
import Yams

extension AllowedValues {
    /// The node as Yams's decoder takes it, or `nil` when it is none of these values.
    ///
    /// Scalars are read as YAML 1.2's core schema has them, and of its whole numbers only the decimal ones: 010 is ten, and
    /// 1:30, 0x10, 1_000, yes and on are strings. (Yams follows YAML 1.1, where 010 is eight, 1:30 is ninety and yes is true.)
    /// - Parameter isSingle: numbers are kept in f32.
    func normalized(_ node: Node, isSingle: Bool) -> Node? {
        switch self {
        case .name: return node.plainText(orQuoted: true).map { Node($0, Tag(.str)) }
        case .oneOf(let words): return node.plainText(orQuoted: true).flatMap { words.contains($0) ? Node($0, Tag(.str)) : nil }
        case .flag:
            switch node.plainText() {
            case "true", "True", "TRUE": return Node("true")
            case "false", "False", "FALSE": return Node("false")
            default: return nil
            }
        case .integer, .bits: return node.coreInteger.flatMap { contains(Double($0)) ? Node("\($0)") : nil }
        case .bitsByName:
            guard let mapping = node.mapping, mapping.count > 0 else { return nil }
            let pairs = mapping.compactMap { name, bits -> (Node, Node)? in
                guard let name = name.plainText(orQuoted: true), let bits = bits.coreInteger, contains(Double(bits)) else { return nil }
                return (Node(name, Tag(.str)), Node("\(bits)"))
            }
            return pairs.count == mapping.count && Set(pairs.map { $0.0.string ?? "" }).count == pairs.count ? Node(pairs) : nil
        case .ascending:
            guard let items = node.sequence else { return nil }
            let numbers = items.compactMap(\.coreInteger)
            guard numbers.count == items.count, numbers.allSatisfy({ contains(Double($0)) }) else { return nil }
            guard zip(numbers, numbers.dropFirst()).allSatisfy({ $0 < $1 }) else { return nil }
            return Node(numbers.map { Node("\($0)") })
        case .number:
            guard let text = node.plainText(), let value = coreNumber(text), contains(value) else { return nil }
            // A number that f32, or f64, can only take for 0.
            let isZero = isSingle ? Float(text) == 0 : value == 0
            let hasDigits = text.prefix { $0 != "e" && $0 != "E" }.contains { ("1"..."9").contains($0) }
            return isZero && hasDigits ? nil : Node(text)
        }
    }
}

/// A decimal number of the core schema; `nil` for anything else, .inf and .nan among it.
private func coreNumber(_ text: String) -> Double? {
    text.utf8.allSatisfy("+-.0123456789eE".utf8.contains) ? Double(text) : nil
}

extension Node {
    /// A scalar without quotes and without a tag.
    /// - Parameter orQuoted: quotes and tags do not matter, as for keys and words.
    func plainText(orQuoted: Bool = false) -> String? {
        guard let scalar else { return nil }
        let isPlain = (scalar.style == .plain || scalar.style == .any) && scalar.tag.description.isEmpty
        return isPlain || orQuoted ? scalar.string : nil
    }

    /// Nothing, or what the core schema calls null.
    var isNull: Bool { ["", "~", "null", "Null", "NULL"].contains(plainText()) }

    /// A whole decimal number.
    var coreInteger: Int? { plainText().flatMap { Int($0) } }

    /// As it stands in the file, for messages; long ones are cut.
    var shown: String {
        let text: String
        if let scalar {
            text = scalar.string
        } else if let sequence {
            text = "[" + sequence.map(\.shown).joined(separator: ", ") + "]"
        } else {
            text = "{" + (mapping?.map { "\($0.key.shown): \($0.value.shown)" } ?? []).joined(separator: ", ") + "}"
        }
        let line = text.replacing(/[\n\r\t]+/, with: " ")
        return line.isEmpty ? "empty" : line.count > 60 ? line.prefix(60) + "…" : line
    }
}
