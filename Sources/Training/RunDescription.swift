// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Files
import Foundation

/// What a run is: equal descriptions compute equal results on the same machine with the same thread count.
public struct RunDescription: Codable, Equatable, Sendable {
    /// Names the run's files: letters, digits, `.`, `-`, `_`.
    public let name: String
    /// The name of the data set that the run sees: where its recipe sets n validation images aside, that of what is then left,
    /// `dataset.id.validating(n).name`.
    public let dataset: String
    public let recipe: Recipe
    public let seed: UInt64
    /// The digest of the float run whose weights this one starts from, or of the file that they came in.
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

    /// A run that starts from weights in a file.
    /// - Parameters:
    ///   - name: of the run.
    ///   - dataset: its name, that of `dataset.id.validating(recipe.validationImages)`.
    ///   - recipe: all settings.
    ///   - seed: of initial weights, order and augmentation.
    ///   - pretrained: `PretrainedFile.digest`.
    ///   - precision: of the training.
    public init(name: String, dataset: String, recipe: Recipe, seed: UInt64, pretrained: String, precision: Precision) {
        (self.name, self.dataset, self.recipe, self.seed, warmStart) = (name, dataset, recipe, seed, pretrained)
        mixed = precision == .f32 ? nil : precision
    }

    /// JSON with sorted keys: the same text for the same description.
    var canonical: String { canonicalJSON(self) }

    /// Eight hexadecimal digits that stand for the whole description in tables.
    public var digest: String { crc32Hex(Data(canonical.utf8)) }

    /// The settings in which another run's canonical text differs, as `key: theirs, not ours`.
    func differences(from other: String) -> [String] {
        // A dictionary's own order changes from one to the next.
        func text(_ value: Any) -> String {
            guard let pairs = value as? [String: Any] else { return String(describing: value) }
            return pairs.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        }
        func flat(_ json: String) -> [String: String] {
            guard let top = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any] else { return [:] }
            let recipe = top["recipe"] as? [String: Any] ?? [:]
            return top.filter { $0.key != "recipe" }.merging(recipe) { a, _ in a }.mapValues(text)
        }
        let (ours, theirs) = (flat(canonical), flat(other))
        return Set(ours.keys).union(theirs.keys).sorted().compactMap { key in
            let (a, b) = (theirs[key] ?? "absent", ours[key] ?? "absent")
            return a == b ? nil : "\(key): \(a), not \(b)"
        }
    }
}

extension Recipe {
    /// Eight hexadecimal digits that stand for all settings of the recipes, for the precision of the float run where
    /// it is not f32, and for the file that the first weights came in.
    package static func digest(_ recipes: [Recipe], startingIn precision: Precision = .f32, pretrained: String = "") -> String {
        crc32Hex(Data((canonicalJSON(recipes) + (precision == .f32 ? "" : precision.rawValue) + pretrained).utf8))
    }
}

/// JSON with sorted keys. Numbers that are not finite, which `Recipe.validate` refuses, become strings.
package func canonicalJSON(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    // Nothing else in a description or a recipe can fail to be encoded.
    return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? ""
}
