// SPDX-License-Identifier: GPL-3.0-or-later
import Training

/// A column of a table that shows a setting of its cells: any key of a recipe, or `bits` for both bit widths.
public enum SettingColumn: Hashable, Sendable {
    case bits
    case setting(Recipe.Key)

    package static let all = [bits] + Condition.showable.map(setting)

    /// By its name in a table's file.
    init?(_ name: String) {
        guard let column = Self.all.first(where: { $0.name == name }) else { return nil }
        self = column
    }

    var name: String {
        switch self {
        case .bits: "bits"
        case .setting(let key): key.rawValue
        }
    }

    var title: String {
        switch self {
        case .bits: "Bits"
        case .setting(let key): key.about.title ?? key.rawValue.prefix(1).uppercased() + key.rawValue.dropFirst().replacing("_", with: " ")
        }
    }

    func text(_ condition: Condition) -> String {
        guard case .setting(let key) = self else { return condition.bits }
        let word = condition[key] ?? "–"
        return word == "0.0" ? "0" : word
    }
}
