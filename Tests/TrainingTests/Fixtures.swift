// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Training
import TrainingTestSupport

/// The base recipe with some values replaced or added, as YAML would have them.
func recipe(_ changes: [String: String] = [:]) throws -> Recipe {
    let base = baseRecipe.split(separator: "\n").map {
        $0.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let settings = Dictionary(uniqueKeysWithValues: base.map { ($0[0], $0[1]) }).merging(changes) { _, new in new }
    // Words have quotes in JSON.
    let json = settings.map { key, value in
        "\"\(key)\": "
            + (value.contains { !"0123456789.eE+-[], ".contains($0) } && !["true", "false"].contains(value) ? "\"\(value)\"" : value)
    }
    let recipe = try JSONDecoder().decode(Recipe.self, from: Data("{\(json.joined(separator: ", "))}".utf8))
    try recipe.validate()
    return recipe
}
