// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Experiments
import Foundation
import Quantization
import TestSupport
import Testing
import Training
import TrainingTestSupport

@Suite struct CellTests {
    @Test(arguments: [
        (["colour": "red"], "unknown key colour"), (["network": "resnet21"], "network must be one of"),
        (["weight_bits": "9"], "weight_bits must be 1 to 8, or 32"), (["activation_bits": "0"], "activation_bits must be 1 to 8, or 32"),
        (["weight_bits": "1"], "method must be bcgd or bc below 32 bits"), (["blending": "1"], "blending must be"),
        (["batch_size": "0"], "batch_size must be at least 1"), (["rate": "-1"], "rate must be above 0"),
        (["epochs": "3"], "milestones must be below the epochs, 3, not [3]"),
        (["milestones": "[5, 2]"], "milestones must be ascending"), (["method": "sgd"], "method"), (["epochs": "ten"], "epochs"),
        (["momentum": "1"], "momentum must be"), (["input_derivative": "step"], "input_derivative"),
        (["weight_bits": "16"], "weight_bits must be 1 to 8, or 32"), (["activation_bits": "9"], "activation_bits must be 1 to 8, or 32"),
        (["method": "binary-relax", "activation_bits": "4"], "method must be bcgd or bc at 32 weight bits"),
        (["method": "binary-relax", "weight_bits": "1", "epochs": "1"], "epochs must be at least 2 for binary-relax"),
        (["method": "binary-relax", "weight_bits": "1", "relaxation_share": "0.2"], "relaxation_share must be at least 1/4"),
        (["scaling": "per-image"], "scaling"), (["ternary": "paper"], "ternary"), (["evaluation": "late"], "evaluation"),
        (["quantized_layers": "outer"], "quantized_layers"), (["lloyd_iterations": "0"], "lloyd_iterations must be at least 1"),
        (["resolution_decay": "-1"], "resolution_decay must be"),
        (["resolution_gradient_factor": "-1"], "resolution_gradient_factor must be"),
        (["resolution_gradient_limit": "0"], "resolution_gradient_limit must be above 0"),
        (["resolution_maximum": "1.0e-4"], "resolution_maximum must be at least resolution_minimum"),
        (["relaxation_start": "0"], "relaxation_start must be above 0"),
        (["relaxation_end": "0.5"], "relaxation_end must be at least relaxation_start"),
        (["relaxation_share": "1"], "relaxation_share must be above 0 and below 1")
    ])
    func aBadValueIsNamed(_ changes: [String: String], _ words: String) {
        let error = #expect(throws: RecipeError.self) { try recipe(changes) }
        let line = error?.description ?? ""
        #expect(line.contains(words) && line.contains("recipe.yaml") && !line.contains("\n"), "\(line)")
    }

    @Test(arguments: [
        ("a: [1", "not valid YAML"), ("- 1", "must be a YAML mapping"), ("network: resnet8", "is missing"), ("a: 1\na: 2", "duplicated key")
    ])
    func aBadFileIsNamed(_ text: String, _ words: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(text, to: "recipe.yaml")
        let error = #expect(throws: RecipeError.self) { try Settings(contentsOf: path).recipe() }
        #expect(error?.description.contains(words) == true && error?.description.contains("\n") == false, "\(error?.description ?? "")")
    }

    /// The committed recipes: METHOD.md part 2, recipe `paper`.
    @Test func thePapersRecipe() throws {
        let cells = try ExperimentCells(.paper, folder: experiments)
        let bcgd = try #require(cells.cells.first { $0.name == "resnet20-1w4a-bcgd" })
        let (cell, float) = (bcgd.recipe, try #require(try cells.start(of: bcgd)).recipe)
        #expect(cell.blending == 1e-5 && cell.learningRate == 0.01 && cell.stepSizeRateFactor == 0.01 && float.learningRate == 0.1)
        for recipe in [cell, float] {
            #expect(recipe.batchSize == 128 && recipe.epochs == 200 && recipe.milestones == [80, 140] && recipe.rateDivisor == 10)
            #expect(recipe.momentum == 0.95 && recipe.weightDecay == 1e-4 && recipe.cropPadding == 4 && recipe.flip)
        }
        #expect(cell.inputDerivative == .clippedReLU && cell.stepSizeDerivative == .threeValued && cell.quantizedLayers == .all)
        #expect(bcgd.recipeName == "paper")
    }

    private func cells(_ entries: [String]) throws -> ExperimentCells {
        let folder = try TemporaryFolder()
        let base = baseRecipe.split(separator: "\n").filter { !$0.hasPrefix("method") }.joined(separator: "\n")
        _ = try folder.write(
            base + "\nfloat: { method: float }\nquantized: { method: bcgd, weight_bits: 1, activation_bits: 4 }\n", to: "base.yaml")
        _ = try folder.write("float: {}\nquantized: {}\n", to: "protocols/smoke.yaml")
        _ = try folder.write("base: base.yaml\ncells:\n" + entries.map { "  - { \($0) }\n" }.joined(), to: "cells.yaml")
        return try ExperimentCells(.smoke, folder: folder.path)
    }

    /// A cell may start from any other's run: all before it are selected, in order, and are part of its settings.
    @Test func cellsStartFromEachOther() throws {
        let all = try cells([
            "cell: c, start: b", "cell: f, method: float", "cell: g, method: float, rate: 0.5", "cell: b, start: g", "cell: a"
        ])
        let (a, b, c) = (all.cells[4], all.cells[3], all.cells[0])
        #expect(
            try all.start(of: a)?.name == "f" && all.start(of: b)?.name == "g" && all.start(of: c)?.name == "b"
                && all.start(of: all.cells[1]) == nil)
        let digests = try [a, b, c].map { try all.settings(of: $0, startingIn: .f32).digest }
        #expect(Set(digests).count == 3)  // one recipe, other beginnings
        let folder = try TemporaryFolder()
        _ = try folder.write("title: T\ncolumns: [bits]\ncells: [c, a]\n", to: "t.yaml")
        #expect(try all.selection(of: [try ExperimentTable("t", folder: folder.path)]).map(\.name) == ["g", "b", "c", "f", "a"])
        for (entries, words) in [
            (["cell: f, method: float", "cell: a, start: b", "cell: b, start: a"], "starts from itself, by way of"),
            (["cell: f, method: float", "cell: a, start: x"], "starts from x, which protocol smoke has no cell of"),
            (["cell: f, method: float, network: vgg11", "cell: a, start: f"], "which has another network"),
            (["cell: f, method: float", "cell: a, start: f, validation_images: 10"], "other validation_images")
        ] {
            let error = #expect(throws: RecipeError.self) { _ = try self.cells(entries) }
            #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
        }
    }

    /// Of one base recipe: no float run that only others start from, and a cell of another recipe is refused, not left out.
    @Test func selectionOfOneRecipe() throws {
        let cells = try ExperimentCells(.smoke, folder: experiments)
        let tables = try ["table1", "table4", "table5"].map { try ExperimentTable($0, folder: experiments) }
        let paper = try cells.selection(of: tables, recipe: "paper").map(\.name)
        #expect(paper.contains("resnet8-float") && paper.contains("resnet8-1w4a-bc"))
        #expect(!paper.contains { $0.contains("-ste-") || $0.contains("lsq") })
        let refusal = message { _ = try cells.selection(of: tables, only: ["resnet8-ste-2bit-relu"], recipe: "paper") }
        #expect(refusal.contains("no cell resnet8-ste-2bit-relu of the recipe paper in protocol smoke: it is of the recipe ste; there are"))
        #expect(try cells.selection(of: tables, only: ["resnet8-ste-float"], recipe: "paper").map(\.name) == ["resnet8-ste-float"])
        #expect(
            message { _ = try cells.selection(of: [tables[1]], recipe: "paper") } == "table4: no cell of the recipe paper in protocol smoke"
        )
    }

    /// Table 1 of the companion paper [S]: networks, bits, estimators, and its table 2: epochs, rates, milestones, batches.
    @Test func theCompanionPapersTable() throws {
        let (small, mnist) = (try ExperimentCells(.paper, folder: experiments), try ExperimentCells(.paper, folder: experiments + "/mnist"))
        let selected = try [(small, experiments), (mnist, experiments + "/mnist")].flatMap {
            try $0.selection(of: [try ExperimentTable("table4", folder: $1)])
        }
        let quantized = selected.filter { !$0.isFloat }
        #expect(
            selected.count == 21 && quantized.count == 18 && selected.allSatisfy { !$0.recipe.batchNormAffine && $0.recipe.momentum == 0.9 }
        )
        for cell in quantized {
            let recipe = cell.recipe, isLeNet = recipe.network == "lenet5"
            #expect(
                recipe.weightBits == 32 && [2, 4].contains(recipe.activationBits) && recipe.stepSizeRateFactor == 0
                    && recipe.stepSizeStart == .halfNormal)
            #expect(cell.name == "\(recipe.network)-ste-\(recipe.activationBits)bit-\(recipe.inputDerivative.rawValue)")
            #expect(
                recipe.epochs == (isLeNet ? 50 : 200) && recipe.milestones == (isLeNet ? [20, 40] : [80, 140]) && recipe.rateDivisor == 10)
            #expect(recipe.learningRate == (isLeNet ? 0.1 : 0.01) && recipe.batchSize == (isLeNet ? 64 : 128))
            #expect(try (isLeNet ? mnist : small).start(of: cell)?.name == "\(recipe.network)-ste-float")
        }
    }

    /// METHOD.md part 1 names the coarse derivatives; the sweep of ρ goes from 0 to 1e-2. Every protocol has each kind of cell.
    @Test func theTablesShowWhatTheyShould() throws {
        let names = ["table1", "table2", "figure1", "figure2"]
        let tables = try names.map { try ExperimentTable($0, folder: experiments) }
        for runProtocol in RunProtocol.allCases {
            let cells = try ExperimentCells(runProtocol, folder: experiments)
            let selected = try tables.map { try cells.selection(of: [$0]).filter { !$0.isFloat }.map(\.recipe) }
            #expect(selected.allSatisfy { !$0.isEmpty })
            #expect(Set(selected[1].map(\.stepSizeDerivative)) == Set(CoarseStepSizeDerivative.allCases))
            #expect(Set(selected[1].map(\.inputDerivative)) == Set(CoarseInputDerivative.allCases))
            let sweep = selected[3].map(\.effectiveBlending)
            #expect(sweep == (runProtocol == .smoke ? [1e-5, 0, 1e-3, 1e-2] : [1e-5, 0, 1e-6, 1e-4, 1e-3, 1e-2]))
            #expect(Set(selected[2].map(\.method)) == [.bcgd, .bc])
        }
        let bits = try ExperimentCells(.paper, folder: experiments).selection(of: [tables[0]]).map { cell in
            "\(cell.recipe.network) \(cell.recipe.weightBits)W\(cell.recipe.activationBits)A \(cell.recipe.method.rawValue)"
        }
        let rows = ["32W32A float", "32W4A bcgd", "1W4A bcgd", "1W4A bc", "2W4A bcgd", "2W4A bc", "4W4A bcgd", "4W4A bc"]
        #expect(bits == rows.map { "resnet20 \($0)" } + rows.map { "vgg11 \($0)" })
    }

    /// METHOD.md part 2 for ImageNet: 80 epochs with drops after 50 and 70, images of 224; and every cell of table 3.
    @Test func imageNet() throws {
        let folder = experiments + "/imagenet"
        let (table, figure) = (try ExperimentTable("table3", folder: folder), try ExperimentTable("figure4", folder: folder))
        for runProtocol in RunProtocol.allCases {
            let cells = try ExperimentCells(runProtocol, folder: folder)
            #expect(try cells.selection(of: [table]).map(\.name) == table.cells)
            #expect(try Set(cells.selection(of: [figure]).map(\.name)) == Set(["resnet18-float"] + figure.cells))
            #expect(cells.cells.allSatisfy { $0.recipe.imageSize != nil && $0.recipeName == "imagenet" })
        }
        let paper = try ExperimentCells(.paper, folder: folder).cells
        let kinds = paper.map {
            "\($0.recipe.network) \($0.recipe.weightBits)W \($0.recipe.method.rawValue) \($0.recipe.quantizedLayers.rawValue)"
        }
        let expected = (0..<2).flatMap { _ in
            ["32W float all"]
                + ["1W", "4W"].flatMap { bits in ["bcgd", "bc"].flatMap { method in ["all", "inner"].map { "\(bits) \(method) \($0)" } } }
        }
        #expect(kinds.count == 18 && kinds.map { $0.split(separator: " ").dropFirst().joined(separator: " ") } == expected)
        for recipe in paper.map(\.recipe) {
            #expect(recipe.epochs == 80 && recipe.milestones == [50, 70] && recipe.rateDivisor == 10 && recipe.imageSize == 224)
            #expect(recipe.blending == 1e-5 && recipe.stepSizeRateFactor == 0.01 && recipe.smallestCrop == 0.08 && recipe.flip)
            #expect(recipe.momentum == 0.95 && recipe.weightDecay == 1e-4 && recipe.learningRate == (recipe.method == .float ? 0.1 : 0.01))
        }
    }

    /// Cells of several tables are trained once, after the float run they start from.
    @Test func selectionAddsTheFloatRunAndNamesAnUnknownCell() throws {
        let cells = try ExperimentCells(.smoke, folder: experiments)
        let tables = try ["table1", "figure2"].map { try ExperimentTable($0, folder: experiments) }
        #expect(try cells.selection(of: [tables[0]], only: ["resnet8-1w4a-bc"]).map(\.name) == ["resnet8-float", "resnet8-1w4a-bc"])
        #expect(
            try cells.selection(of: tables).map(\.name) == [
                "resnet8-float", "resnet8-1w4a-bcgd", "resnet8-1w4a-bc", "resnet8-1w4a-bcgd-rho1e-3", "resnet8-1w4a-bcgd-rho1e-2"
            ])
        let error = #expect(throws: RecipeError.self) { try cells.selection(of: [tables[0]], only: ["alexnet"]) }
        #expect(error?.description.contains("no cell alexnet") == true && error?.description.contains("resnet8-1w4a-bcgd") == true)
    }

    /// A line of a plan names one cell, also one that others only start from, such as the float runs of table 2, which it does not show.
    @Test(arguments: RunProtocol.allCases) func everyLineOfAPlanCanBeSelected(_ runProtocol: RunProtocol) throws {
        let folder = ExperimentFolder(experiments)
        for subject in Subject.allCases {
            let cells = try folder.cells(subject, runProtocol)
            for table in try folder.tables(subject) {
                let recipe = table.name == "table1" ? "paper" : nil
                for cell in try cells.selection(of: [table], recipe: recipe) {
                    #expect(try cells.selection(of: [table], only: [cell.name], recipe: recipe).last == cell, "\(table.name) \(cell.name)")
                }
            }
        }
    }

    /// What there is of a cell that cannot be chosen is said.
    @Test(arguments: [
        ("resnet20-1w4a-bcgd", "no cell resnet20-1w4a-bcgd in protocol smoke, but in brief, short, paper; there are resnet8-float,"),
        ("resnet8-1w4a-bc", "no cell resnet8-1w4a-bc in protocol smoke: it is in cells.yaml, but not in table2; there are"),
        ("alexnet", "no cell alexnet in protocol smoke; there are")
    ])
    func whereaboutsOfACell(_ name: String, _ words: String) throws {
        let cells = try ExperimentCells(.smoke, folder: experiments), table = try ExperimentTable("table2", folder: experiments)
        #expect(message { _ = try cells.selection(of: [table], only: [name]) }.contains(words))
    }

    /// The digest tells every setting apart, those of the float run and its precision too, and does not know the name.
    @Test func recipeDigest() throws {
        let folder = try TemporaryFolder()
        func digests(_ extra: String, base: String = "") throws -> [String] {
            _ = try folder.write(recipeText(["method": "bcgd"]) + base + "\nfloat: {}\nquantized: {}", to: "base.yaml")
            _ = try folder.write("float: {}\nquantized: {}", to: "protocols/smoke.yaml")
            let text = """
                base: base.yaml
                cells:
                  - { cell: float, method: float\(base.isEmpty ? "" : ", rate: 0.2") }
                  - { cell: a, weight_bits: 1, activation_bits: 4 }
                  - { cell: b, weight_bits: 1, activation_bits: 4\(extra) }
                """
            _ = try folder.write(text, to: "cells.yaml")
            let cells = try ExperimentCells(.smoke, folder: folder.path)
            return try cells.cells.dropFirst().flatMap { cell in
                try [Precision.f32, .mixed].map { precision in try cells.settings(of: cell, startingIn: precision).digest }
            }
        }
        let same = try digests("")
        #expect(same[0] == same[2] && same[1] == same[3] && same[0] != same[1])
        let changed = try digests(", blending: 1.0e-4")
        #expect(changed[0] == same[0] && changed[2] != same[0])
        #expect(try digests("", base: "\n")[0] != same[0])
    }

    @Test(arguments: [
        ("columns: [bits]\ncells: [a]", "needs the key title"), ("title: t\ncolumns: [bits]\ncells: [a, a]", "a is listed twice"),
        ("title: t\ncolumns: [bits]\ncells: [a]\ncomparisons: [[a, b]]", "two of the table's cells, not a, b"),
        ("title: t\ncolumns: [bits]\ncells: [a]\nrows: 3", "unknown key rows"),
        ("title: t\ncolumns: [bits]\ncells: [a]\ncomparisons: [a]", "comparisons must be a list of lists")
    ])
    func aBadLayoutIsNamed(_ text: String, _ words: String) throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(text, to: "t.yaml")
        let error = #expect(throws: RecipeError.self) { try ExperimentTable("t", folder: folder.path) }
        #expect(error?.description.contains(words) == true && error?.description.contains("t.yaml") == true, "\(error?.description ?? "")")
    }
}
