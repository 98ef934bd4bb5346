// SPDX-License-Identifier: GPL-3.0-or-later

/// What is known of one key of a recipe: to read it, to check it, to show it, and to explain it (`reproduce recipes --explain`).
public struct RecipeKey: Sendable {
    /// Which runs a setting matters to; tables leave it out for others.
    public enum Scope: Sendable { case always, quantizedWeights, quantizedActivations }

    public let allowed: AllowedValues
    public let scope: Scope
    public let meaning: String
    /// A table's column; `nil` for the key's own words.
    public let title: String?
    /// The value where a recipe leaves the key out, in YAML; `nil` where it must not, "none" where there is then no such limit.
    public let standard: String?
    /// Kept in f32.
    package let isSingle: Bool
    /// Where the key, or its value in the recipe `paper`, comes from.
    public let source: String

    init(
        _ allowed: AllowedValues, of scope: Scope = .always, _ meaning: String, title: String? = nil, standard: String? = nil,
        isSingle: Bool = true, source: String
    ) {
        (self.allowed, self.scope, self.meaning, self.title) = (allowed, scope, meaning, title)
        (self.standard, self.isSingle, self.source) = (standard, isSingle, source)
    }
}

/// What a key of a recipe may be.
public enum AllowedValues: Sendable {
    /// A word that is checked elsewhere, described.
    case name(String)
    case oneOf([String])
    case flag
    case integer(ClosedRange<Int>)
    /// Bits of a quantizer, or 32 for none.
    case bits
    /// Bits of quantizers, or 32, by layers' names.
    case bitsByName
    /// A list of whole numbers, each larger than the one before.
    case ascending(ClosedRange<Int>)
    case number(Limits)

    public struct Limits: Sendable {
        var low: Double
        var includesLow = true
        var high: Double
        var includesHigh = true

        func contains(_ value: Double) -> Bool {
            (includesLow ? value >= low : value > low) && (includesHigh ? value <= high : value < high)
        }
    }

    static func oneOf<Choice: CaseIterable & RawRepresentable<String>>(_: Choice.Type) -> AllowedValues {
        .oneOf(Choice.allCases.map(\.rawValue))
    }
    static func number(_ range: ClosedRange<Double>) -> AllowedValues { .number(Limits(low: range.lowerBound, high: range.upperBound)) }
    static func number(_ range: Range<Double>) -> AllowedValues {
        .number(Limits(low: range.lowerBound, high: range.upperBound, includesHigh: false))
    }
    static func number(above low: Double, to high: Double) -> AllowedValues { .number(Limits(low: low, includesLow: false, high: high)) }

    /// Whether a number is among them; NaN never is.
    package func contains(_ value: Double) -> Bool {
        switch self {
        case .integer(let range), .ascending(let range): value >= Double(range.lowerBound) && value <= Double(range.upperBound)
        case .bits, .bitsByName: (1...8).contains(value) || value == 32
        case .number(let limits): limits.contains(value)
        case .name, .oneOf, .flag: false
        }
    }

    /// Whether they are single numbers.
    var isNumber: Bool {
        switch self {
        case .integer, .bits, .number: true
        case .name, .oneOf, .flag, .ascending, .bitsByName: false
        }
    }
}

extension AllowedValues: CustomStringConvertible {
    public var description: String {
        func text(_ number: Double) -> String { number == number.rounded() && abs(number) < 1e9 ? "\(Int(number))" : "\(number)" }
        switch self {
        case .name(let words): return words
        case .oneOf(let words): return words.joined(separator: " | ")
        case .flag: return "true | false"
        case .integer(let range): return "at least \(range.lowerBound) and at most \(range.upperBound), a whole number"
        case .bits: return "1 to 8, or 32"
        case .bitsByName: return "names of layers, each with 1 to 8 bits, or 32"
        case .ascending(let range): return "ascending whole numbers, at least \(range.lowerBound) and at most \(range.upperBound)"
        case .number(let limits):
            let low = limits.includesLow ? "at least" : "above", high = limits.includesHigh ? "at most" : "below"
            return "\(low) \(text(limits.low)) and \(high) \(text(limits.high))"
        }
    }
}
