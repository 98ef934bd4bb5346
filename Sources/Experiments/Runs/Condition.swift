// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Files
import Foundation
import Training

/// What a run measures, whatever its seed: by it the cells of a table, planned runs, rows of `runs.csv`, groups of runs and
/// their comparisons are told apart.
public struct Condition: Hashable, Sendable {
    /// As in `Experiments/cells.yaml`.
    public var cell: String
    public var dataset: DatasetID
    /// How much of the published training is run.
    public var runProtocol: RunProtocol
    /// The arithmetic of the training steps.
    public var precision: Precision
    public var network: String
    public var method: Recipe.Method
    /// 32 stands for float, of weights and of activations.
    public var weightBits, activationBits: Int
    /// Further settings that tables may show, in the words of the recipe's keys; those that play no part are absent.
    public private(set) var settings: [Recipe.Key: String] = [:]

    /// The settings that stand in every row, those of `settings` last. Others do where a table shows them.
    static let core: [Recipe.Key] = [.network, .method, .weightBits, .activationBits]
    static let kept: [Recipe.Key] = [.quantizedLayers, .blending, .inputDerivative, .stepSizeDerivative]
    /// What a table may show; the epochs that a run has stand in its row anyway.
    static let showable = Recipe.Key.allCases.filter { $0 != .epochs }

    /// - Parameters:
    ///   - cell: whose recipe it is.
    ///   - dataset: that it trains on.
    ///   - runProtocol: how long it trains.
    ///   - precision: of the training.
    ///   - shown: settings beyond those of every row.
    public init(
        _ cell: ExperimentCell, on dataset: DatasetID, _ runProtocol: RunProtocol, _ precision: Precision, showing shown: [Recipe.Key] = []
    ) {
        var recipe = cell.recipe
        recipe.blending = recipe.effectiveBlending
        self.init(cell: cell.name, dataset, runProtocol, precision, recipe.network, recipe.method, recipe.weightBits, recipe.activationBits)
        let words = recipe.texts
        for key in Set(Self.kept + shown).subtracting(Self.core) where matters(key) {
            let word = words[key.rawValue] ?? key.about.standard ?? ""
            settings[key] = key.about.canonical(word) ?? word
        }
    }

    /// - Parameter word: the text of a row's column; `nil` where there is no such column, or nothing in it.
    /// - Throws: what `fault` makes of a column and of what was expected there.
    init(_ word: (String) -> String?, fault: (_ column: String, _ expected: String) -> FileError) throws {
        func read<Value>(_ column: String, _ expected: String, _ parse: (String) -> Value?) throws -> Value {
            guard let value = word(column).flatMap(parse) else { throw fault(column, expected) }
            return value
        }
        func name(_ column: String) throws -> String { try read(column, "a name of letters, digits and -_.+") { isName($0) ? $0 : nil } }
        func choice<Choice: CaseIterable & RawRepresentable<String>>(_ column: String, _ known: [Choice]) throws -> Choice {
            try read(column, oneOf(known.map(\.rawValue))) { text in known.first { $0.rawValue == text } }
        }
        func bits(_ key: Recipe.Key) throws -> Int {
            try read(key.rawValue, oneOf((1...8).map { "\($0)" } + ["32"])) { text in
                Int(text).flatMap { key.about.allowed.contains(Double($0)) ? $0 : nil }
            }
        }
        let dataset = try read("dataset", "a name of letters, digits, blanks and -_.,()+&") { isLabel($0) ? DatasetID($0) : nil }
        let (weightBits, activationBits) = (try bits(.weightBits), try bits(.activationBits))
        let isFloat = weightBits == 32 && activationBits == 32
        self.init(
            cell: try name("cell"), dataset, try choice("protocol", RunProtocol.allCases), try choice("precision", Precision.allCases),
            try name(Recipe.Key.network.rawValue),
            try choice(Recipe.Key.method.rawValue, Recipe.Method.allCases.filter { ($0 == .float) == isFloat }),
            weightBits, activationBits)
        for key in Self.showable where !Self.core.contains(key) {
            let text = word(key.rawValue)
            guard text != nil || Self.kept.contains(key) else { continue }  // of before a table showed it
            if matters(key) {
                settings[key] = try read(key.rawValue, key.about.expectation, key.about.canonical)
            } else if text != nil {
                throw fault(key.rawValue, oneOf([""]))
            }
        }
    }

    private init(
        cell: String, _ dataset: DatasetID, _ runProtocol: RunProtocol, _ precision: Precision, _ network: String, _ method: Recipe.Method,
        _ weightBits: Int, _ activationBits: Int
    ) {
        (self.cell, self.dataset, self.runProtocol, self.precision) = (cell, dataset, runProtocol, precision)
        (self.network, self.method, self.weightBits, self.activationBits) = (network, method, weightBits, activationBits)
    }

    /// Whether a setting has a part in runs of these bits.
    private func matters(_ key: Recipe.Key) -> Bool {
        switch key.about.scope {
        case .always: true
        case .quantizedWeights: weightBits < 32
        case .quantizedActivations: activationBits < 32
        }
    }

    /// A setting in the words of its key; `nil` where it plays no part.
    public subscript(key: Recipe.Key) -> String? {
        switch key {
        case .network: network
        case .method: method.rawValue
        case .weightBits: "\(weightBits)"
        case .activationBits: "\(activationBits)"
        default: settings[key]
        }
    }

    /// ρ in effect: 0 for BC; `nil` with float weights.
    public var blending: Double? { settings[.blending].flatMap(Double.init) }
    /// Such as `1W4A`.
    public var bits: String { "\(weightBits)W\(activationBits)A" }

    /// The cell's id in `Experiments/reported.csv`, such as `imagenet/resnet18-1w4a-bcgd`; the protocol is no part of it.
    public var reportedID: String { "\(dataset.slug)/\(cell)" }

    /// Names the files of a run: `cifar-10-resnet20-1w4a-bc-short-seed1`, with `-mixed` for that precision.
    public func runName(seed: UInt64) -> String {
        "\(dataset.slug)-\(cell)-\(runProtocol.rawValue)-seed\(seed)" + (precision == .f32 ? "" : "-\(precision.rawValue)")
    }

    /// With what the same cell says of settings that were not kept here; `nil` where the two contradict each other.
    func completed(by other: Condition) -> Condition? {
        var both = self
        both.settings.merge(other.settings) { own, _ in own }
        return both == other ? other : nil
    }
}

private func oneOf(_ words: [String]) -> String { "one of " + words.map { $0.isEmpty ? "nothing" : $0 }.joined(separator: ", ") }

extension RecipeKey {
    /// A value in a table as it is written, or `nil` when it is none of the key's.
    fileprivate func canonical(_ text: String) -> String? {
        if let standard, text == standard { return text }
        switch allowed {
        case .name: return isName(text) ? text : nil
        case .oneOf(let words): return words.contains(text) ? text : nil
        case .flag: return ["true", "false"].contains(text) ? text : nil
        case .integer, .bits: return Int(text).flatMap { allowed.contains(Double($0)) ? "\($0)" : nil }
        case .number: return Double(text).flatMap { allowed.contains($0) ? "\($0)" : nil }
        case .ascending:
            let items = text.components(separatedBy: ", ").map(Int.init)
            return items.allSatisfy { $0.map { allowed.contains(Double($0)) } ?? false } ? text : nil
        case .bitsByName:
            let items = text.components(separatedBy: ", ").map { $0.split(separator: " ") }
            return items.allSatisfy { $0.count == 2 && (Int($0[1]).map { allowed.contains(Double($0)) } ?? false) } ? text : nil
        }
    }

    /// For the message about a column.
    fileprivate var expectation: String {
        if case .oneOf(let words) = allowed { return oneOf(words) }
        return "\(allowed)"
    }
}
