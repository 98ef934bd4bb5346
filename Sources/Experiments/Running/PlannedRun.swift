// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Training

/// A condition with a seed: the run, and what it starts from.
struct PlannedRun {
    enum Start {
        case scratch
        /// A finished run of the same network and seed, mostly a float one.
        case run(RunDescription)
        /// Weights in a file.
        case file(PretrainedFile)
        /// The same, and nothing is trained: the file's own accuracy.
        case fileAsItIs(PretrainedFile)

        var run: RunDescription? {
            if case .run(let run) = self { run } else { nil }
        }
    }

    let condition: Condition
    let description: RunDescription
    let start: Start
    let recipeName: String
    let settings: RunSettings
    /// Short, for the progress bar.
    let label: String

    /// - Parameter cell: with it the condition that its runs are of, by `condition`.
    init(
        _ cell: ExperimentCell, seed: UInt64, cells: ExperimentCells, pretrained: PretrainedStart?, condition: (ExperimentCell) -> Condition
    ) throws {
        let file = pretrained?.file, before = try cells.start(of: cell)
        switch (before, pretrained?.use) {
        case (nil, nil): start = .scratch
        case (nil, .asItIs): start = file.map(Start.fileAsItIs) ?? .scratch
        case (nil, .fineTuned): start = file.map(Start.file) ?? .scratch
        case (let before?, .asItIs) where before.isFloat && before.start == nil: start = file.map(Start.file) ?? .scratch
        case (let before?, _):
            start = .run(try PlannedRun(before, seed: seed, cells: cells, pretrained: pretrained, condition: condition).description)
        }
        self.condition = condition(cell)
        recipeName = cell.recipeName
        label = "\(cell.name) seed \(seed)"
        let (name, dataset, precision) = (self.condition.runName(seed: seed), self.condition.dataset.name, self.condition.precision)
        switch start {
        case .scratch, .run:
            settings = try cells.settings(of: cell, startingIn: start.run?.precision ?? .f32, pretrained: file?.digest ?? "")
            description = RunDescription(
                name: name, dataset: dataset, recipe: cell.recipe, seed: seed, warmStart: start.run, precision: precision)
        case .file(let file), .fileAsItIs(let file):
            settings =
                pretrained?.use == .asItIs
                ? cells.settings(of: cell, from: file.digest)
                : try cells.settings(of: cell, startingIn: .f32, pretrained: file.digest)
            description = RunDescription(
                name: name, dataset: dataset, recipe: cell.recipe, seed: seed, pretrained: file.digest, precision: precision)
        }
    }
}
