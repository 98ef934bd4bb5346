// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing
import Training

@Suite struct RecipeTests {
    @Test(arguments: [
        (["colour": "red"], "unknown key colour"), (["network": "resnet21"], "network must be one of"),
        (["weight_bits": "9"], "weight_bits must be 1 to 8, or 32"), (["activation_bits": "0"], "activation_bits must be 1 to 8, or 32"),
        (["weight_bits": "1"], "method must be bcgd or bc below 32 bits"), (["blending": "1"], "blending must be"),
        (["batch_size": "0"], "batch_size must be at least 1"), (["rate": "-1"], "rate must be above 0"),
        (["milestones": "[5, 2]"], "milestones must be ascending"), (["method": "sgd"], "method"), (["epochs": "ten"], "epochs"),
        (["momentum": "1"], "momentum must be"), (["input_derivative": "step"], "input_derivative"),
    ])
    func aBadValueIsNamed(_ changes: [String: String], _ words: String) {
        let error = #expect(throws: RecipeError.self) { try recipe(changes) }
        let line = error?.description ?? ""
        #expect(line.contains(words) && line.contains("recipe.yaml") && !line.contains("\n"), "\(line)")
    }

    @Test(arguments: [("a: [1", "not valid YAML"), ("- 1", "must be a YAML mapping"), ("network: resnet8", "is missing"), ("a: 1\na: 2", "duplicated key")])
    func aBadFileIsNamed(_ text: String, _ words: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(text, to: "recipe.yaml")
        let error = #expect(throws: RecipeError.self) { try Settings(contentsOf: path).recipe() }
        #expect(error?.description.contains(words) == true && error?.description.contains("\n") == false, "\(error?.description ?? "")")
    }

    /// METHOD.md part 2: η is divided by 10 at the milestones.
    @Test func schedule() throws {
        let recipe = try recipe(["epochs": "200", "rate": "0.1", "milestones": "[80, 140]"])
        let rates = [0, 79, 80, 139, 140, 199].map { recipe.rate(epoch: $0) }
        let expected: [Double] = [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
        for (rate, expected) in zip(rates, expected) { #expect(abs(rate - expected) < 1e-15) }
    }

    @Test func binaryConnectDoesNotBlend() throws {
        #expect(try recipe(["method": "bc", "weight_bits": "1"]).effectiveBlending == 0)
        #expect(try recipe(["method": "bcgd", "weight_bits": "1"]).effectiveBlending == 0.01)
    }

    /// The committed recipes: METHOD.md part 2, recipe `paper`.
    @Test func thePapersRecipe() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Experiments"
        let table = try ExperimentTable("table1", runProtocol: .paper, folder: folder)
        let cell = try #require(table.cells.first { $0.name == "resnet20-1w4a-bcgd" }).recipe
        let float = try table.warmStart(of: try #require(table.cells.first { $0.name == "resnet20-1w4a-bcgd" })).recipe
        #expect(cell.blending == 1e-5 && cell.rate == 0.01 && cell.resolutionRateFactor == 0.01 && float.rate == 0.1)
        for recipe in [cell, float] {
            #expect(recipe.batchSize == 128 && recipe.epochs == 200 && recipe.milestones == [80, 140] && recipe.rateDivisor == 10)
            #expect(recipe.momentum == 0.95 && recipe.weightDecay == 1e-4 && recipe.cropPadding == 4 && recipe.flip)
        }
        #expect(cell.inputDerivative == .clippedReLU && cell.resolutionDerivative == .threeValued && cell.quantizedLayers == .all)
        for runProtocol in RunProtocol.allCases {
            _ = try ExperimentTable("table1", runProtocol: runProtocol, folder: folder)
        }
    }

    @Test func selectionAddsTheFloatRunAndNamesAnUnknownCell() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Experiments"
        let table = try ExperimentTable("table1", runProtocol: .smoke, folder: folder)
        #expect(try table.selection(["resnet8-1w4a-bc"]).map(\.name) == ["resnet8-float", "resnet8-1w4a-bc"])
        let error = #expect(throws: RecipeError.self) { try table.selection(["alexnet"]) }
        #expect(error?.description.contains("no cell alexnet") == true && error?.description.contains("resnet8-1w4a-bcgd") == true)
    }
}
