// SPDX-License-Identifier: GPL-3.0-or-later
import Experiments
import Foundation
import TestSupport
import Testing
import Training

/// The recipe `authors-code` of METHOD.md part 2, key by key, and that nothing of it is in `paper`.
@Suite struct AuthorsCodeCellTests {
    @Test(arguments: RunProtocol.allCases) func recipeFile(_ runProtocol: RunProtocol) throws {
        let cells = try ExperimentCells(runProtocol, folder: experiments)
        let authors = cells.cells.filter { $0.recipeName == "authors-code" }
        #expect(Set(authors.map(\.recipe.method)) == [.bcgd, .bc])
        for cell in authors {
            let recipe = cell.recipe
            #expect(recipe.momentum == 0.95 && recipe.weightDecay == 1e-4 && recipe.stepSizeDecay == 1e-4 && recipe.batchSize == 128)
            #expect(recipe.stepSizeMinimum == 1e-3 && recipe.stepSizeMaximum == 5)
            #expect(recipe.stepSizeGradientFactor == 0.01 && recipe.stepSizeGradientLimit == 1 && recipe.stepSizeRateFactor == 1)
            #expect(recipe.quantizedLayers == .convolutions && recipe.ternary == .authors && recipe.lloydIterations == 1)
            #expect(recipe.evaluation == .lagged)
            #expect((0..<recipe.epochs).allSatisfy { recipe.learningRate(epoch: $0) == 0.1 })
        }
    }

    /// Its float run is the paper's, so that both recipes start from the same one, trained once.
    @Test func floatRunIsThePapers() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: experiments, toPath: folder.path + "/Experiments")
        let path = folder.path + "/Experiments/cells.yaml"
        let text = try String(contentsOfFile: path, encoding: .utf8).replacingOccurrences(
            of: "\nbase: paper.yaml", with: "\nbase: authors-code.yaml")
        _ = try folder.write(text, to: "Experiments/cells.yaml")
        let (paper, authors) = (
            try ExperimentCells(.paper, folder: experiments), try ExperimentCells(.paper, folder: folder.path + "/Experiments")
        )
        for (a, b) in zip(paper.cells, authors.cells) where a.isFloat { #expect(a.recipe == b.recipe) }
        #expect(
            authors.cells.allSatisfy { ["authors-code", "comparison", "ste"].contains($0.recipeName) }
                && authors.cells.count == paper.cells.count)
    }

    /// Everything that `authors-code` changes is as METHOD.md has it in every cell of the paper's recipe.
    @Test(arguments: RunProtocol.allCases) func nothingLeaksIntoThePapersRecipe(_ runProtocol: RunProtocol) throws {
        let cells = try ExperimentCells(runProtocol, folder: experiments).cells.filter { $0.recipeName == "paper" }
        #expect(!cells.isEmpty)
        for recipe in cells.map(\.recipe) {
            #expect(recipe.stepSizeDecay == 0 && recipe.stepSizeMaximum == nil && recipe.stepSizeGradientLimit == nil)
            #expect(recipe.stepSizeGradientFactor == 1 && recipe.stepSizeRateFactor == 0.01 && recipe.quantizedLayers == .all)
            #expect(recipe.ternary == .exact && recipe.lloydIterations == 100 && recipe.evaluation == .current)
            #expect(recipe.scaling == .perLayer && recipe.learningRate(epoch: 0) == (recipe.method == .float ? 0.1 : 0.01))
            #expect(recipe.learningRate(epoch: recipe.epochs - 1) < recipe.learningRate(epoch: 0))
        }
    }
}
