// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Backends
import Datasets
import Experiments
import Export
import Foundation
import Statistics
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// From a checkpoint on disk to a packed model: what each kind of run leaves there is what its evaluation used.
@Suite struct CheckpointExportTests {
    private static let recipes: [(name: String, change: @Sendable (inout Recipe) -> Void)] = [
        ("plain", { _ in }), ("per channel", { $0.scaling = .perChannel }), ("inner layers", { $0.quantizedLayers = .inner }),
        ("lagged", { $0.evaluation = .lagged }),
        ("convolutions, 4W8A", { ($0.quantizedLayers, $0.weightBits, $0.activationBits) = (.convolutions, 4, 8) }),
        ("binary relax", { ($0.method, $0.epochs) = (.binaryRelax, 2) })
    ]

    private static func recipe() throws -> Recipe {
        let folder = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../Experiments").standardized.path
        guard var recipe = try ExperimentCells(.smoke, folder: folder).cells.first(where: { $0.recipe.method == .bcgd })?.recipe else {
            throw ExportError("no bcgd cell")
        }
        recipe.batchSize = 16
        return recipe
    }

    /// Noise with CIFAR-10's name and shape.
    private static func dataset() -> ImageDataset {
        func split(_ count: Int, _ stream: UInt64) -> ImageSplit {
            var random = Philox(seed: 4, stream: stream)
            let images = (0..<count * 3072).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            return ImageSplit(
                height: 32, width: 32, channels: 3, images: images, labels: (0..<count).map { UInt8($0 % 10) },
                normalization: CIFAR10.normalization)
        }
        return ImageDataset(name: "CIFAR-10", classes: CIFAR10.classes, train: split(48, 1), test: split(20, 2), isOfficial: false)
    }

    /// A checkpoint after three steps.
    private func checkpoint(_ recipe: Recipe, _ body: (Checkpoint, ImageDataset) throws -> Void) throws {
        let folder = try TemporaryFolder(), path = folder.path + "/run.safetensors"
        let dataset = Self.dataset()
        let run = RunDescription(name: "test", dataset: "CIFAR-10", recipe: recipe, seed: 1, warmStart: nil, precision: .mixed)
        let trainer = try Trainer(run, dataset: dataset, threads: 1)
        var nobody = SilentObserver()
        try trainer.train(checkpoint: path, stepLimit: 3, observer: &nobody)
        try body(try Checkpoint(path: path), dataset)
    }

    @Test(.enabled(if: ExactnessTests.fusesMultiplyAdds, ExactnessTests.roundsTwice), arguments: recipes.indices)
    func thePackedModelIsTheRunsEvaluation(_ index: Int) throws {
        var recipe = try Self.recipe()
        Self.recipes[index].change(&recipe)
        try checkpoint(recipe) { checkpoint, dataset in
            let model = try packedModel(of: checkpoint, format: try #require(ImageFormat(dataset: "CIFAR-10")))
            let comparison = try compare(checkpoint, with: model, on: dataset.test, threads: 1)
            #expect(comparison.differing == 0 && comparison.differingClasses == 0 && comparison.images == 20, "\(Self.recipes[index].name)")
            #expect(
                model.classes == CIFAR10.classes && model.units[0].weightBits == (recipe.quantizedLayers == .inner ? 32 : recipe.weightBits)
            )
        }
    }

    /// The model of an unfinished run says so, that of a finished one does not.
    @Test(arguments: [(1, "CIFAR-10, epoch 1 of 1, description"), (2, "CIFAR-10, unfinished: epoch 1 of 2, description")])
    func theProvenanceSaysWhetherTheRunWasFinished(_ epochs: Int, _ words: String) throws {
        var recipe = try Self.recipe()
        (recipe.epochs, recipe.milestones) = (epochs, [])
        try checkpoint(recipe) { checkpoint, _ in
            let model = try packedModel(of: checkpoint, format: try #require(ImageFormat(dataset: "CIFAR-10")))
            #expect(model.provenance.contains(words), "\(model.provenance)")
        }
    }

    @Test func aModelOfOtherImagesIsRefused() throws {
        try checkpoint(try Self.recipe()) { checkpoint, dataset in
            let format = ImageFormat(height: 28, width: 28, channels: 3, classes: CIFAR10.classes, normalization: CIFAR10.normalization)
            // The checkpoint knows its images.
            let refusal = #expect(throws: CheckpointError.self) { try packedModel(of: checkpoint, format: format) }
            #expect(refusal?.description.contains("holds a network for images of 32×32×3, not of 28×28×3") == true)
            let other = try ExactnessTests.network(.init(name: "resnet8", side: 28))
            let model = try packedModel(other.graph, other.tensors, format: format, provenance: "test")
            let error = #expect(throws: ExportError.self) { _ = try compare(checkpoint, with: model, on: dataset.test, threads: 1) }
            #expect(error?.description.contains("takes images of 28×28×3, the run's are 32×32×3") == true)
        }
    }

    @Test func networksThatAreNotQuantizedAreRefused() throws {
        for (weights, activations, words) in [
            (32, 32, "is a float network"), (32, 4, "has float weights"), (1, 32, "has float activations")
        ] {
            var recipe = try Self.recipe()
            (recipe.weightBits, recipe.activationBits) = (weights, activations)
            recipe.method = weights == 32 && activations == 32 ? .float : .bcgd
            try checkpoint(recipe) { checkpoint, _ in
                do {
                    _ = try packedModel(of: checkpoint, format: try #require(ImageFormat(dataset: "CIFAR-10")))
                    Issue.record("packed at \(weights)W\(activations)A")
                } catch let error as ExportError { #expect(error.description.contains(words)) }
            }
        }
    }
}
