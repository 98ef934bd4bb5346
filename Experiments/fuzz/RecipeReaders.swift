// SPDX-License-Identifier: GPL-3.0-or-later
import Experiments
import Files
import Foundation
import Graph
import Training

extension Reader {
    static let recipes = [
        Reader(name: "recipe", about: "a recipe in YAML") { folder in
            let base = lines(of: try readText("Experiments/paper.yaml")).filter { line in
                !["#", "float:", "quantized:"].contains { line.hasPrefix($0) }
            }
            let schedule = "rate: 0.01\nepochs: 200\nmilestones: [80, 140]\n" + base.joined(separator: "\n")
            let seeds = [
                "method: bcgd\nweight_bits: 1\nactivation_bits: 4\n" + schedule,
                "method: float\nweight_bits: 32\nactivation_bits: 32\n" + schedule,
                "method: binary-relax\nweight_bits: 4\nactivation_bits: 2\nscaling: per-channel\nrelaxation_end: 100\nresolution_maximum: "
                    + "&x 5\nlloyd_iterations: 1\n"
                    + schedule
            ].map { Seed(text: $0) }
            return Session(seeds: seeds) { input, _ in
                try write(input, "\(folder)/recipe.yaml")
                let recipe = try Settings(contentsOf: "\(folder)/recipe.yaml").recipe()
                try use(recipe)
                _ = try recipe.graph(input: FeatureShape(height: 32, width: 32, channels: 3), classes: 10)
            }
        },
        // The base recipe, the cells, a protocol and a table in turn, in a folder where the others are as they should be.
        Reader(
            name: "experiments",
            about: "one of the files that describe the cells, the protocols and the tables, as `reproduce` combines them"
        ) { folder in
            let names = ["cells.yaml", "paper.yaml", "protocols/smoke.yaml", "table1.yaml", "authors-code.yaml"]
            let texts = try copied(names + ["table2.yaml", "ste.yaml", "comparison.yaml"], to: folder).prefix(names.count)
            return Session(seeds: texts.map { Seed(text: $0) }) { input, index in
                let changed = index % names.count
                try write(input, "\(folder)/\(names[changed])")
                defer { try? write(Array(texts[changed].utf8), "\(folder)/\(names[changed])") }
                let table = try ExperimentTable("table1", folder: folder), cells = try ExperimentCells(.smoke, folder: folder)
                for cell in cells.cells { try use(cell.recipe) }
                for cell in try cells.selection(of: [table]) where !cell.isFloat {
                    try need(try cells.settings(of: cell, startingIn: .f32).digest.count == 8, "no digest")
                }
            }
        },
        Reader(name: "regress-plan", about: "regress.yaml, or the base that it names") { folder in
            let names = ["regress.yaml", "paper.yaml"], texts = try copied(names, to: folder)
            return Session(seeds: texts.map { Seed(text: $0) }) { input, index in
                try write(input, "\(folder)/\(names[index % 2])")
                defer { try? write(Array(texts[index % 2].utf8), "\(folder)/\(names[index % 2])") }
                let plan = try RegressionPlan(folder: folder)
                for run in plan.runs { try use(run.recipe) }
                try need(plan.digest.count == 8 && plan.statistics.count > 0, "nothing is measured")
            }
        },
        Reader(name: "base-recipes", about: "what `reproduce recipes` lists") { folder in
            let text = try copied(["paper.yaml"], to: folder)[0]
            return Session(seeds: [Seed(text: text)]) { input, _ in
                try write(input, "\(folder)/paper.yaml")
                _ = try BaseRecipe.all(in: folder)
            }
        }
    ]

    private static func copied(_ names: [String], to folder: String) throws -> [String] {
        try makeFolder("\(folder)/protocols")
        return try names.map { name in
            let text = try readText("Experiments/\(name)")
            try write(Array(text.utf8), "\(folder)/\(name)")
            return text
        }
    }

    /// What a run does with a recipe before it trains; numbers that are no numbers would train to nothing.
    private static func use(_ recipe: Recipe) throws {
        _ = try (recipe.weightProjection(), recipe.activation())
        for epoch in [0, 1, recipe.epochs - 1] {
            let rate = recipe.learningRate(epoch: epoch)
            try need(rate.isFinite && rate >= 0, "the rate \(rate) in epoch \(epoch)")
            if let relaxation = recipe.relaxation(epoch: epoch) {
                try need(relaxation > 0 && relaxation.isFinite, "λ = \(relaxation) in epoch \(epoch)")
            }
        }
        let numbers = [
            recipe.rateDivisor, recipe.stepSizeRateFactor, Double(recipe.weightDecay), Double(recipe.stepSizeMinimum),
            Double(recipe.momentum)
        ]
        try need(numbers.allSatisfy(\.isFinite), "a setting that is not finite: \(numbers)")
        let run = RunDescription(name: "run", dataset: "data", recipe: recipe, seed: 1, warmStart: nil)
        try need(run.digest.count == 8 && !recipe.texts.isEmpty, "no digest")
    }
}
