// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Experiments
import Foundation
import TestSupport
import Testing
import Training
import TrainingTestSupport

@Suite struct CellGridTests {
    /// The committed cells of before there were grids are those that were then written out one by one (`Vectors/`): names, order, recipes
    /// and digests.
    @Test(arguments: [("", "cells"), ("/imagenet", "imagenet-cells")]) func theCommittedGridsAreTheWrittenCells(
        _ subject: String, _ vector: String
    ) throws {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: experiments + subject, toPath: folder.path + "/E")
        let written = try #require(Bundle.module.path(forResource: vector, ofType: "yaml", inDirectory: "Vectors"))
        _ = try folder.write(String(contentsOfFile: written, encoding: .utf8), to: "E/cells.yaml")
        for runProtocol in RunProtocol.allCases {
            let (grids, cells) = (
                try ExperimentCells(runProtocol, folder: experiments + subject),
                try ExperimentCells(runProtocol, folder: folder.path + "/E")
            )
            let committed = grids.cells.prefix(cells.cells.count)
            #expect(Array(committed) == cells.cells && !cells.cells.isEmpty)
            for (grid, cell) in zip(committed, cells.cells) {
                for precision in Precision.allCases {
                    #expect(
                        try grids.settings(of: grid, startingIn: precision).digest == cells.settings(of: cell, startingIn: precision).digest
                    )
                }
            }
        }
    }

    private func cells(_ entry: String) throws -> [ExperimentCell] {
        let folder = try TemporaryFolder()
        let base = baseRecipe.split(separator: "\n").filter { !$0.hasPrefix("method") }.joined(separator: "\n")
        _ = try folder.write(base + "\nfloat: {}\nquantized: { method: bcgd }\n", to: "base.yaml")
        _ = try folder.write("float: {}\nquantized: {}\n", to: "protocols/smoke.yaml")
        _ = try folder.write("base: base.yaml\ncells:\n  - \(entry)\n", to: "cells.yaml")
        return try ExperimentCells(.smoke, folder: folder.path).cells
    }

    /// The last axis runs fastest; a word stands for a value, also for a list or nothing; order and values by hand.
    @Test func aProductInItsOrder() throws {
        let all = try cells(
            """
            { cell: "{weight_bits}w-{method}{milestones}", activation_bits: 4,
                  grid: { weight_bits: [1, 2], method: [bcgd, bc], milestones: { "": [3], -late: [2, 3] } } }
            """)
        #expect(
            all.map(\.name) == ["1w-bcgd", "1w-bcgd-late", "1w-bc", "1w-bc-late", "2w-bcgd", "2w-bcgd-late", "2w-bc", "2w-bc-late"])
        #expect(
            all.map(\.recipe.weightBits) == [1, 1, 1, 1, 2, 2, 2, 2]
                && all.map(\.recipe.milestones) == (0..<4).flatMap { _ in [[3], [2, 3]] })
        #expect(all.map(\.recipe.method) == (0..<2).flatMap { _ in [.bcgd, .bcgd, .bc, .bc] as [Recipe.Method] })
        // A base is an axis as well, and an axis with one value a name for it.
        #expect(
            try cells("{ cell: \"{base}-{weight_bits}\", grid: { base: { b: base.yaml }, weight_bits: [1] }, activation_bits: 4 }").map(
                \.name) == ["b-1"])
    }

    /// The field's terms stand for the names in files, in a recipe and in a grid, and the same setting twice is refused.
    @Test func theFieldsTermsAreRead() throws {
        let terms = try cells(
            """
            { cell: "{step_size_derivative}", activation_bits: 4, weight_bits: 1, learning_rate: 0.25, step_size_maximum: 3,
                  grid: { step_size_derivative: [minimum, two-valued] } }
            """)
        #expect(terms.map(\.name) == ["minimum", "two-valued"] && terms.map(\.recipe.stepSizeDerivative) == [.minimum, .twoValued])
        #expect(terms.allSatisfy { $0.recipe.learningRate == 0.25 && $0.recipe.stepSizeMaximum == 3 })
    }

    /// Each fault is named by file, line and key.
    @Test(arguments: [
        ("grid: [1, 2], cell: a", "cells.yaml:3: grid must be a mapping of keys to lists of their values, not [1, 2]"),
        ("grid: {}, cell: a", "cells.yaml:3: grid must be a mapping"),
        (
            "grid: { weight_bits: 1 }, cell: \"{weight_bits}\"",
            "cells.yaml:3: weight_bits must be a list of values, or a mapping of words to values, not 1"
        ),
        ("grid: { weight_bits: [] }, cell: \"{weight_bits}\"", "cells.yaml:3: weight_bits must be a list"),
        (
            "grid: { milestones: [[1], [2]] }, cell: \"{milestones}\"",
            "cells.yaml:3: milestones: a value of the grid that is no word or number needs a word"
        ),
        (
            "grid: { weight_bits: [1, 2] }, cell: a",
            "cells.yaml:3: cell must name every axis of the grid, and {weight_bits} is missing in a"
        ),
        (
            "grid: { weight_bits: [1, 2] }, cell: \"{weight_bits}{method}\"",
            "cells.yaml:3: cell names {method}, which is no axis of the grid; there are weight_bits"
        ),
        ("grid: { weight_bits: [1, 2] }, weight_bits: 1, cell: \"{weight_bits}\"", "cells.yaml:3: weight_bits is given twice"),
        ("grid: { cell: [a, b] }, cell: \"{cell}\"", "cells.yaml:3: an axis of a grid is a key of a recipe, or base, not cell"),
        ("grid: { weight_bits: [1, 2] }", "needs the key cell"),
        ("cell: a, weight_bits: 1, learning_rate: 1, rate: 1", "cells.yaml:3: duplicated key rate"),
        ("grid: { colour: [red] }, cell: \"{colour}\"", "cells.yaml:3: unknown key colour"),
        (
            "grid: { method: [bcgd, sgd] }, weight_bits: 1, cell: \"{method}\"",
            "cells.yaml:3: method must be float | bcgd | bc | binary-relax, not sgd"
        ),
        ("grid: { weight_bits: [1, 9] }, cell: \"a{weight_bits}\"", "cells.yaml:3: weight_bits must be 1 to 8, or 32, not 9"),
        ("grid: { weight_bits: [1, 1] }, activation_bits: 4, cell: \"a{weight_bits}\"", "two cells are named a1"),
        ("grid: { method: { \"a b\": bc } }, weight_bits: 1, cell: \"{method}\"", "a cell's name is letters, digits and -_.+, not \"a b\""),
        ("cell: \"{method}\", method: bc", "a cell's name is letters, digits and -_.+, not \"{method}\""),
        (
            "grid: { epochs: [\(Array(repeating: "1", count: 40).joined(separator: ", "))], batch_size: "
                + "[\(Array(repeating: "1", count: 40).joined(separator: ", "))] }, cell: \"{epochs}{batch_size}\"",
            "cells.yaml:3: grid stands for more than 1000 cells"
        )
    ])
    func faultsAreTraced(_ entry: String, _ words: String) {
        let error = #expect(throws: RecipeError.self) { try cells("{ \(entry) }") }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    /// The line is that of the value, not of the entry.
    @Test func aBadValueHasItsOwnLine() {
        let error = #expect(throws: RecipeError.self) {
            try cells("cell: \"{blending}\"\n    weight_bits: 1\n    grid:\n      blending:\n        - 0.5\n        - 1.5")
        }
        #expect(
            error?.description.contains("cells.yaml:8: blending must be at least 0 and below 1, not 1.5") == true,
            "\(error?.description ?? "")")
    }
}
