// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Networks

/// What a run is: equal descriptions compute equal results on the same machine with the same thread count.
public struct RunDescription: Codable, Equatable, Sendable {
    /// Names the run's files: letters, digits, `.`, `-`, `_`.
    public let name: String
    public let dataset: String
    public let recipe: Recipe
    public let seed: UInt64
    /// The digest of the float run whose weights this one starts from.
    public let warmStart: String?
    /// `nil` for f32, so that descriptions from before there was a choice keep their digest.
    private let mixed: Precision?

    public var precision: Precision { mixed ?? .f32 }

    public init(
        name: String, dataset: String, recipe: Recipe, seed: UInt64, warmStart: RunDescription?, precision: Precision = .f32
    ) {
        (self.name, self.dataset, self.recipe, self.seed) = (name, dataset, recipe, seed)
        self.warmStart = warmStart?.digest
        mixed = precision == .f32 ? nil : precision
    }

    /// JSON with sorted keys: the same text for the same description.
    var canonical: String { canonicalJSON(self) }

    /// Eight hexadecimal digits that stand for the whole description in tables.
    public var digest: String { crc32Hex(Data(canonical.utf8)) }

    /// The settings in which another run's canonical text differs, as `key: theirs, not ours`.
    func differences(from other: String) -> [String] {
        func flat(_ text: String) -> [String: String] {
            guard let top = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else { return [:] }
            let recipe = top["recipe"] as? [String: Any] ?? [:]
            return top.filter { $0.key != "recipe" }.merging(recipe) { a, _ in a }.mapValues { String(describing: $0) }
        }
        let (ours, theirs) = (flat(canonical), flat(other))
        return Set(ours.keys).union(theirs.keys).sorted().compactMap { key in
            let (a, b) = (theirs[key] ?? "absent", ours[key] ?? "absent")
            return a == b ? nil : "\(key): \(a), not \(b)"
        }
    }
}

extension Recipe {
    /// Eight hexadecimal digits that stand for all settings of the recipes, and for the precision of the float run where
    /// it is not f32.
    static func digest(_ recipes: [Recipe], startingIn precision: Precision = .f32) -> String {
        crc32Hex(Data((canonicalJSON(recipes) + (precision == .f32 ? "" : precision.rawValue)).utf8))
    }
}

/// JSON with sorted keys.
func canonicalJSON(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Encoding fails only for numbers that are not finite, which `Recipe.validate` refuses.
    guard let data = try? encoder.encode(value) else { preconditionFailure("a recipe that was not validated") }
    return String(decoding: data, as: UTF8.self)
}
