// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments
import Training

struct Recipes: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the base recipes, or explains every key of a recipe.")

    @Flag(help: "Explain every key: meaning, allowed values, the value where a recipe leaves it out, where it comes from.")
    var explain = false

    @OptionGroup var recipes: RecipeOptions

    func validate() throws {
        guard !explain || recipes.asked == nil else {
            throw ValidationError("--explain is of what every recipe may say, wherever it lies: leave --experiments out")
        }
    }

    func run() throws {
        guard explain else {
            for recipe in try recipes.folder.baseRecipes() { print("\(recipe.name)\n    \(recipe.about)\n    \(recipe.path)") }
            return
        }
        for key in Recipe.Key.allCases {
            let about = key.about, standard = about.standard.map { "where left out: \($0)" } ?? "must be given"
            print("\(key.rawValue)\n    \(about.meaning)\n    allowed: \(about.allowed); \(standard)\n    from: \(about.source)")
        }
        print(
            "\nstep_size_… may stand for resolution_…, learning_rate for rate. [A] is the authors' public code, "
                + "github.com/penhunt/full-quantization-DNN."
        )
    }
}
