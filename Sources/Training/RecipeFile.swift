// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Yams

/// A YAML mapping as read from a recipe, protocol or table file: settings that override those of a base.
public struct Settings {
    /// Keys in the order of the file.
    fileprivate var pairs: [(key: String, value: Node)]
    /// The file, for messages.
    private(set) var source: String

    /// - Throws: `FileError` when the file cannot be read, `RecipeError` when it is not a YAML mapping.
    public init(contentsOf path: String) throws {
        let text = try readText(path)
        let node: Node?
        do { node = try Yams.compose(yaml: text) } catch {
            throw RecipeError("\(path) is not valid YAML: \(String(describing: error).split(separator: "\n").first ?? "")")
        }
        try self.init(node ?? Node([:]), source: path)
    }

    init(_ node: Node, source: String) throws {
        guard let mapping = node.mapping else { throw RecipeError("\(source) must be a YAML mapping of keys to values") }
        self.source = source
        pairs = try mapping.map { key, value in
            guard let key = key.string else { throw RecipeError("\(source): a key is not a string") }
            return (key, value)
        }
    }

    /// These settings with those of `over` taking precedence.
    func overridden(by over: Settings) -> Settings {
        var merged = self
        for pair in over.pairs {
            merged.pairs.removeAll { $0.key == pair.key }
            merged.pairs.append(pair)
        }
        return merged
    }

    /// The same settings under another name for messages.
    func named(_ source: String) -> Settings {
        var copy = self
        copy.source = source
        return copy
    }

    /// Whether `method` is `float`: which of a base's two sections applies.
    var isFloat: Bool { pairs.contains { $0.key == "method" && $0.value.string == Recipe.Method.float.rawValue } }

    /// Takes a nested mapping out (empty when the key is absent).
    mutating func take(mapping key: String) throws -> Settings {
        guard let node = take(key) else { return try Settings(Node([:]), source: source) }
        return try Settings(node, source: "\(source), \(key)")
    }

    /// Takes a list of mappings out.
    mutating func take(list key: String) throws -> [Settings] {
        guard let node = take(key), let sequence = node.sequence else { throw RecipeError("\(source) needs the list \(key)") }
        return try sequence.enumerated().map { try Settings($1, source: "\(source), \(key) \($0 + 1)") }
    }

    mutating func take(string key: String) throws -> String? {
        guard let node = take(key) else { return nil }
        guard let string = node.string else { throw RecipeError("\(source): \(key) must be a string") }
        return string
    }

    mutating func take(strings key: String) throws -> [String]? {
        guard let node = take(key) else { return nil }
        guard let list = node.sequence, list.allSatisfy({ $0.string != nil }) else {
            throw RecipeError("\(source): \(key) must be a list of strings")
        }
        return list.compactMap(\.string)
    }

    /// Takes a list of lists of strings out (empty when the key is absent).
    mutating func take(stringLists key: String) throws -> [[String]] {
        guard let node = take(key) else { return [] }
        let lists = node.sequence?.map { $0.sequence?.compactMap(\.string) }
        guard let lists, lists.allSatisfy({ $0 != nil }) else { throw RecipeError("\(source): \(key) must be a list of lists of strings") }
        return lists.compactMap { $0 }
    }

    func has(_ key: String) -> Bool { pairs.contains { $0.key == key } }

    private mutating func take(_ key: String) -> Node? {
        guard let index = pairs.firstIndex(where: { $0.key == key }) else { return nil }
        return pairs.remove(at: index).value
    }

    /// - Throws: `RecipeError` when a key is left that nobody took.
    func expectEmpty(allowed: String) throws {
        if let key = pairs.first?.key { throw RecipeError("\(source): unknown key \(key); allowed are \(allowed)") }
    }

    /// - Throws: `RecipeError` naming an unknown key, a missing key, or a value of the wrong kind.
    public func recipe() throws -> Recipe {
        let keys = Recipe.CodingKeys.allCases.map(\.rawValue)
        if let unknown = pairs.map(\.key).first(where: { !keys.contains($0) }) {
            throw RecipeError("\(source): unknown key \(unknown); the keys are \(keys.sorted().joined(separator: ", "))")
        }
        let recipe: Recipe
        do {
            recipe = try YAMLDecoder().decode(Recipe.self, from: Node(pairs.map { (Node($0.key), $0.value) }))
        } catch DecodingError.keyNotFound(let key, _) {
            throw RecipeError("\(source): the key \(key.stringValue) is missing")
        } catch DecodingError.typeMismatch(_, let context), DecodingError.dataCorrupted(let context), DecodingError.valueNotFound(_, let context) {
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw RecipeError("\(source): \(path): \(context.debugDescription)")
        }
        do { try recipe.validate() } catch let error as RecipeError { throw RecipeError("\(source): \(error)") }
        return recipe
    }
}

extension Recipe {
    /// Every setting as text by its key; keys that may be left out and are at their standard value may be absent.
    public var texts: [String: String] {
        // JSON is YAML, whose scalars keep their text.
        guard let mapping = (try? Yams.compose(yaml: canonicalJSON(self)))?.mapping else { return [:] }
        let pairs = mapping.compactMap { key, value in
            key.string.map { ($0, value.scalar?.string ?? value.sequence?.compactMap(\.scalar?.string).joined(separator: ", ") ?? "") }
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }
}
