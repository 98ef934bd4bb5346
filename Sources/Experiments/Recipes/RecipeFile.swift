// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Training
import Yams

/// A YAML mapping as read from a recipe, protocol or table file: settings that override those of a base.
public struct Settings {
    struct Setting {
        let key: String
        let value: Node
        /// The file and line that it came from, for messages.
        let place: String

        init(key: String, value: Node, place: String) { (self.key, self.value, self.place) = (Recipe.Key.storedName(key), value, place) }
    }

    /// In the order of the file.
    private var settings: [Setting]
    /// The file, and the part of it, for messages.
    let source: String
    private let path: String

    /// - Throws: `FileError` when the file cannot be read, `RecipeError` when it is not a YAML mapping.
    public init(contentsOf path: String) throws {
        let text = try readText(path)
        guard text.utf8.count <= 1 << 20 else {
            throw RecipeError("\(path) has \(text.utf8.count) bytes; recipes are read up to \(1 << 20)")
        }
        // Before it is parsed: aliases of aliases grow without bound.
        if let (line, word) = Self.alias(in: text) {
            throw RecipeError("\(path):\(line): \(word) looks like an anchor or alias, which recipes do not have: write the value out")
        }
        let node: Node?
        do { node = try Yams.compose(yaml: text) } catch {
            throw RecipeError("\(path) is not valid YAML: \(String(describing: error).split(whereSeparator: \.isNewline).first ?? "")")
        }
        try self.init(node.flatMap { $0.isNull ? nil : $0 } ?? Node([:]), path: path, source: path)
    }

    private init(_ node: Node, path: String, source: String) throws {
        guard let mapping = node.mapping else { throw RecipeError("\(source) must be a YAML mapping of keys to values") }
        let settings = try mapping.map { key, value in
            guard let text = key.plainText(orQuoted: true) else { throw RecipeError("\(source): a key is not a string") }
            return Setting(key: text, value: value, place: key.mark.map { "\(path):\($0.line)" } ?? source)
        }
        let keys = settings.map(\.key)
        if let twice = settings.first(where: { setting in keys.count { $0 == setting.key } > 1 }) {
            throw RecipeError("\(twice.place): duplicated key \(twice.key)")
        }
        self.init(settings, path: path, source: source)
    }

    private init(_ settings: [Setting], path: String, source: String) {
        (self.settings, self.path, self.source) = (settings, path, source)
    }

    /// The first anchor (`&name`) or alias (`*name`) outside of comments, and its line. Blind to quotes: a text that only
    /// looks like one is refused as well.
    private static func alias(in text: String) -> (line: Int, word: Substring)? {
        for (index, line) in lines(of: text).enumerated() {
            guard line.utf8.contains(where: { "&*".utf8.contains($0) }), line.wholeMatch(of: /\s*#.*/) == nil else { continue }
            var code = line[...]
            if !line.contains("\""), !line.contains("'"), let comment = line.firstMatch(of: /\s#/) {
                code = line[..<comment.range.lowerBound]
            }
            if let match = code.firstMatch(of: /(?:^|[\s\[\]{},?:\-])([&*][^\s\[\]{},&*]+)/) { return (index + 1, match.1) }
        }
        return nil
    }

    /// The file and line where a node stands.
    func place(of node: Node, or place: String) -> String { node.mark.map { "\(path):\($0.line)" } ?? place }

    /// These settings and others.
    func adding(_ more: [Setting]) -> Settings { Settings(settings + more, path: path, source: source) }

    /// These settings with those of `over` taking precedence; each keeps the place that it came from.
    func overridden(by over: Settings) -> Settings {
        Settings(settings.filter { !over.has($0.key) } + over.settings, path: path, source: source)
    }

    /// The same settings; messages about the whole, such as of a missing key, call them so.
    func named(_ source: String) -> Settings { Settings(settings, path: path, source: source) }

    /// Whether `method` is `float`: which of a base's two sections applies.
    var isFloat: Bool { settings.contains { $0.key == "method" && $0.value.plainText(orQuoted: true) == Recipe.Method.float.rawValue } }

    /// Takes a nested mapping out (empty when the key is absent).
    mutating func take(mapping key: String) throws -> Settings {
        guard let setting = take(key) else { return Settings([], path: path, source: source) }
        return try Settings(setting.value, path: path, source: "\(setting.place): \(key)")
    }

    /// Takes a list of mappings out.
    mutating func take(list key: String) throws -> [Settings] {
        guard let setting = take(key), let sequence = setting.value.sequence else { throw RecipeError("\(source) needs the list \(key)") }
        return try sequence.enumerated().map { index, node in
            try Settings(node, path: path, source: "\(node.mark.map { "\(path):\($0.line)" } ?? source), \(key) \(index + 1)")
        }
    }

    mutating func take(string key: String) throws -> String? {
        guard let setting = take(key) else { return nil }
        guard let string = setting.value.plainText(orQuoted: true), !string.isEmpty else {
            throw RecipeError("\(setting.place): \(key) must be a string, not \(setting.value.shown)")
        }
        return string
    }

    /// Takes a number of images out.
    mutating func take(images key: String, upTo most: Int) throws -> Int? {
        guard let setting = take(key) else { return nil }
        guard let count = setting.value.coreInteger, (1...most).contains(count) else {
            throw RecipeError(
                "\(setting.place): \(key) must be a number of images, not \(setting.value.shown) (1 to \(most), a whole number)")
        }
        return count
    }

    mutating func take(strings key: String) throws -> [String]? {
        guard let setting = take(key) else { return nil }
        guard let list = setting.value.strings else {
            throw RecipeError("\(setting.place): \(key) must be a list of strings, not \(setting.value.shown)")
        }
        return list
    }

    /// Takes a list of lists of strings out (empty when the key is absent).
    mutating func take(stringLists key: String) throws -> [[String]] {
        guard let setting = take(key) else { return [] }
        let lists = setting.value.sequence?.map(\.strings)
        guard let lists, lists.allSatisfy({ $0 != nil }) else {
            throw RecipeError("\(setting.place): \(key) must be a list of lists of strings")
        }
        return lists.compactMap { $0 }
    }

    func has(_ key: String) -> Bool { settings.contains { $0.key == key } }

    mutating func take(_ key: String) -> Setting? {
        settings.firstIndex { $0.key == key }.map { settings.remove(at: $0) }
    }

    /// - Throws: `RecipeError` when a key is left that nobody took.
    func expectEmpty(allowed: String) throws {
        if let left = settings.first { throw RecipeError("\(left.place): unknown key \(left.key); allowed are \(allowed)") }
    }

    /// - Throws: `RecipeError` naming an unknown key, a missing key, or the file, the line, the key, its value and what it may
    ///   be instead.
    public func recipe() throws -> Recipe {
        let values = try settings.compactMap { setting in try Self.value(of: setting).map { (Node(setting.key), $0) } }
        do {
            let recipe = try YAMLDecoder().decode(Recipe.self, from: Node(values))
            try recipe.validate()
            return recipe
        } catch DecodingError.keyNotFound(let key, _) {
            throw RecipeError("\(source): the key \(key.stringValue) is missing")
        } catch DecodingError.typeMismatch(_, let context), DecodingError.dataCorrupted(let context), DecodingError.valueNotFound(
            _, let context)
        {
            let key = context.codingPath.first?.stringValue
            throw RecipeError("\(place(of: key)): \(key ?? "") cannot be read: \(context.debugDescription)")
        } catch let error as RecipeError {
            throw RecipeError("\(place(of: error.key)): \(error)", key: error.key)
        }
    }

    /// A setting as Yams's decoder takes it; `nil` for an empty one that may be left out: so a cell takes a limit of its base back.
    private static func value(of setting: Setting) throws -> Node? {
        guard let key = Recipe.Key(rawValue: setting.key) else {
            let keys = Recipe.Key.allCases.map(\.rawValue).sorted().joined(separator: ", ")
            throw RecipeError("\(setting.place): unknown key \(setting.key); the keys are \(keys)")
        }
        let about = key.about
        if setting.value.isNull, about.standard != nil { return nil }
        guard let value = about.allowed.normalized(setting.value, isSingle: about.isSingle) else {
            throw RecipeError("\(setting.place): \(key.rawValue) must be \(about.allowed), not \(setting.value.shown)", key: key.rawValue)
        }
        return value
    }

    private func place(of key: String?) -> String { settings.first { $0.key == key }?.place ?? source }
}

extension Node {
    /// A scalar's text; a list's with commas; a mapping's as `NAME VALUE, NAME VALUE`.
    fileprivate var plain: String {
        if let scalar { return scalar.string }
        if let sequence { return sequence.compactMap(\.scalar?.string).joined(separator: ", ") }
        return (mapping?.map { "\($0.key.plain) \($0.value.plain)" } ?? []).joined(separator: ", ")
    }

    /// Of a list of strings.
    fileprivate var strings: [String]? {
        guard let sequence else { return nil }
        let list = sequence.compactMap { $0.plainText(orQuoted: true) }
        return list.count == sequence.count ? list : nil
    }
}

extension Recipe {
    /// Every setting as text by its key; keys that may be left out and are at their standard value may be absent.
    public var texts: [String: String] {
        // JSON is YAML, whose scalars keep their text.
        guard let mapping = (try? Yams.compose(yaml: canonicalJSON(self)))?.mapping else { return [:] }
        let pairs = mapping.compactMap { key, value in key.string.map { ($0, value.plain) } }
        return Dictionary(uniqueKeysWithValues: pairs)
    }
}
