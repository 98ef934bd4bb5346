// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Training

struct Recipes: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the base recipes, or explains every key of a recipe.")

    @Flag(help: "Explain every key: meaning, allowed values, the value where a recipe leaves it out, where it comes from.")
    var explain = false

    @Option(help: ArgumentHelp("Folder with the recipes.", valueName: "dir"))
    var experiments = "Experiments"

    func run() throws {
        guard explain else {
            for recipe in try Subject.allCases.flatMap({ try BaseRecipe.all(in: $0.folder(in: experiments)) }) { print("\(recipe.name)\n    \(recipe.about)\n    \(recipe.path)") }
            return
        }
        for key in Recipe.keys {
            let standard = key.standard.map { "where left out: \($0)" } ?? "must be given"
            print("\(key.name)\n    \(key.meaning)\n    allowed: \(key.allowed); \(standard)\n    from: \(key.source)")
        }
        print("\n[A] is the authors' public code, github.com/penhunt/full-quantization-DNN.")
    }
}
