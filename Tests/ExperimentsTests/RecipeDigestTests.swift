// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Experiments
import Foundation
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// Keys that came later leave the digests of earlier runs as they are, and every key is explained.
@Suite struct RecipeDigestTests {
    /// The digests in results/runs.csv, of runs made before there were methods besides float, bcgd and bc.
    @Test(arguments: [
        ("resnet20-float", "a2d42e09", RunProtocol.brief), ("resnet20-1w4a-bcgd", "773b7e4e", .brief),
        ("resnet20-1w4a-bc", "e4160a57", .brief),
        ("resnet8-float", "3b7a401c", .smoke), ("resnet8-1w4a-bcgd", "3e1199da", .smoke)
    ])
    func committedRunsKeepTheirDigests(_ name: String, _ digest: String, _ runProtocol: RunProtocol) throws {
        let cells = try ExperimentCells(runProtocol, folder: experiments)
        let cell = try #require(cells.cells.first { $0.name == name })
        #expect(try cells.settings(of: cell, startingIn: .f32).digest == digest)
    }

    /// A run's own digest, by which a quantized run knows the float one that it starts from: results/table1.csv at commit
    /// bbf3795, when the protocol of 15 float epochs was called `short`.
    @Test func aCommittedRunDescriptionKeepsItsDigest() throws {
        let cells = try ExperimentCells(.brief, folder: experiments)
        let float = try #require(cells.cells.first { $0.name == "resnet20-float" })
        let run = RunDescription(
            name: "cifar-10-resnet20-float-short-seed1", dataset: "CIFAR-10", recipe: float.recipe, seed: 1, warmStart: nil)
        #expect(run.digest == "ba831c69")
    }

    /// A value for every key that a recipe may leave out, other than the one that it then has.
    private static let others = [
        "scaling": "per-channel", "ternary": "authors", "lloyd_iterations": "1", "evaluation": "lagged", "resolution_decay": "1.0e-4",
        "resolution_gradient_factor": "0.01", "resolution_gradient_limit": "1", "resolution_maximum": "5", "relaxation_start": "2",
        "layer_bits": "{ first: 32, fc: 32 }", "relaxation_end": "500", "relaxation_share": "0.5", "image_size": "64",
        "smallest_crop": "0.5",
        "weight_quantizer": "dorefa", "activation_quantizer": "pact", "schedule": "cosine", "warmup_epochs": "1", "optimizer": "adam",
        "adam_beta2": "0.99", "adam_epsilon": "0.5", "label_smoothing": "0.1",
        "accumulation": "2", "validation_images": "10", "batch_norm_images": "100", "batch_norm_affine": "false",
        "step_size_start": "half-normal", "shards": "2"
    ]

    /// Without padding, which images in files do not have.
    private func description(_ changes: [String: String]) throws -> RunDescription {
        RunDescription(
            name: "run", dataset: "synthetic", recipe: try recipe(changes.merging(["crop_padding": "0"]) { $1 }), seed: 3, warmStart: nil)
    }

    @Test func keysAtTheirStandardValueAreLeftOut() throws {
        let plain = try description([:])
        let optional = Recipe.Key.allCases.filter { $0.about.standard != nil }
        #expect(Set(optional.map(\.rawValue)) == Set(Self.others.keys))
        for key in optional {
            let standard = try #require(key.about.standard)
            if standard != "none" {
                #expect(try description([key.rawValue: standard]) == plain, "\(key.rawValue) is not \(standard) where left out")
                #expect(try description([key.rawValue: standard]).digest == plain.digest, "\(key.rawValue)")
            }
            let other = try description([key.rawValue: try #require(Self.others[key.rawValue])])
            #expect(other.digest != plain.digest && other != plain, "\(key.rawValue)")
            // And back again, as a checkpoint's description is read.
            #expect(try JSONDecoder().decode(RunDescription.self, from: JSONEncoder().encode(other)) == other, "\(key.rawValue)")
        }
        #expect(try JSONDecoder().decode(RunDescription.self, from: JSONEncoder().encode(plain)) == plain)
    }

    @Test func everyKeyIsExplained() throws {
        let lines = baseRecipe.split(separator: "\n").map { String($0.prefix { $0 != ":" }) }
        #expect(Set(Recipe.Key.allCases.map(\.rawValue)) == Set(lines).union(Self.others.keys))
        #expect(Recipe.Key.allCases.map(\.about).allSatisfy { !$0.meaning.isEmpty && !"\($0.allowed)".isEmpty && !$0.source.isEmpty })
        // Exactly the keys that must be given are those without which a recipe is refused.
        for key in Recipe.Key.allCases where key.about.standard == nil {
            let text = recipeText().split(separator: "\n").filter { !$0.hasPrefix(key.rawValue + ":") }.joined(separator: "\n")
            let folder = try TemporaryFolder()
            let path = try folder.write(text, to: "recipe.yaml")
            let error = #expect(throws: RecipeError.self) { try Settings(contentsOf: path).recipe() }
            #expect(error?.description.contains("the key \(key.rawValue) is missing") == true, "\(key.rawValue)")
        }
    }

    @Test func baseRecipesAreFound() throws {
        #expect(try BaseRecipe.all(in: experiments).map(\.name) == ["authors-code", "comparison", "paper", "ste"])
    }
}
