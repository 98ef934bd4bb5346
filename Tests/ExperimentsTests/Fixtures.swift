// SPDX-License-Identifier: GPL-3.0-or-later
import Experiments
import TestSupport
import Training
import TrainingTestSupport

/// The base recipe with some lines replaced (`key: value`) or added.
func recipeText(_ changes: [String: String] = [:]) -> String {
    let lines = baseRecipe.split(separator: "\n").map(String.init).map { line in
        let key = String(line.prefix { $0 != ":" })
        return changes[key].map { "\(key): \($0)" } ?? line
    }
    let known = Set(baseRecipe.split(separator: "\n").map { String($0.prefix { $0 != ":" }) })
    return (lines + changes.filter { !known.contains($0.key) }.map { "\($0.key): \($0.value)" }).joined(separator: "\n")
}

func recipe(_ changes: [String: String] = [:]) throws -> Recipe {
    let folder = try TemporaryFolder()
    return try Settings(contentsOf: folder.write(recipeText(changes), to: "recipe.yaml")).recipe()
}
