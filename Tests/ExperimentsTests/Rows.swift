// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Experiments
import Foundation
import Training

let package = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized.path
let experiments = package + "/Experiments"

/// Read once.
private enum PaperCells { static let all = Result { try ExperimentCells(.paper, folder: experiments).cells } }

/// A cell of `Experiments/cells.yaml` under another name or with other settings.
func cell(_ name: String, like model: String = "resnet20-1w4a-bcgd", _ change: (inout Recipe) -> Void = { _ in }) throws -> ExperimentCell {
    guard let found = try PaperCells.all.get().first(where: { $0.name == model }) else { throw RecipeError("no \(model)") }
    var recipe = found.recipe
    change(&recipe)
    return ExperimentCell(name: name, recipe: recipe, recipeName: found.recipeName)
}

/// A run of 10,000 test images; the cell's name is `resnet20-1w4a-METHOD`.
func row(
    dataset: String = "fashion-mnist", method: Recipe.Method = .bcgd, cell name: String? = nil, blending: Float = 1e-5, seed: UInt64 = 1,
    correct: Int? = 9123, best: Int? = 9150, digest: String = "0123abcd", origin: RunProvenance.DataOrigin = .official,
    precision: Precision = .f32, images: Int = 10000, top5: Int? = nil, showing shown: [Recipe.Key] = []
) throws -> RunRow {
    let cell = try cell(name ?? "resnet20-1w4a-\(method.rawValue)") { ($0.method, $0.blending) = (method, blending) }
    return RunRow(
        condition: Condition(cell, on: DatasetID(dataset), .smoke, precision, showing: shown), seed: seed, epochs: 3, testImages: images,
        correctFinal: correct, correctBest: best, top5Final: top5,
        reportedIn: try ReportedValues(contentsOf: experiments + "/reported.csv"),
        provenance: RunProvenance(
            seconds: 12.34, threads: 2, commit: "abc1234", recipe: "paper", recipeDigest: digest, dataOrigin: origin,
            how: "reproduce table1 --protocol smoke, \"quoted\""))
}
