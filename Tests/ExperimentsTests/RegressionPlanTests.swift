// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Experiments
import Foundation
import TestSupport
import Testing
import Training
import TrainingTestSupport

@Suite struct RegressionPlanTests {
    private static let phases = "\nfloat: { method: float, weight_bits: 32, activation_bits: 32 }\nquantized: { method: bcgd }\n"
    private static let regress = """
        base: base.yaml
        train_images: 96
        test_images: 60
        common: { epochs: 2, milestones: [1] }
        float: { rate: 0.02 }
        runs:
          - { run: weak, weight_bits: 1, activation_bits: 4 }
          - { run: strong, weight_bits: 1, activation_bits: 4, blending: 0.5 }
        """

    private func plan(_ old: String = "", _ new: String = "") throws -> RegressionPlan {
        let folder = try TemporaryFolder()
        let base = baseRecipe.split(separator: "\n").filter { line in
            !["method", "weight_bits", "activation_bits"].contains { line.hasPrefix($0) }
        }
        _ = try folder.write(base.joined(separator: "\n") + Self.phases, to: "base.yaml")
        _ = try folder.write(old.isEmpty ? Self.regress : Self.regress.replacingOccurrences(of: old, with: new), to: "regress.yaml")
        return try RegressionPlan(folder: folder.path)
    }

    @Test func layersOverride() throws {
        let plan = try plan()
        #expect(plan.float.recipe.learningRate == 0.02 && plan.float.recipe.method == .float && plan.float.recipe.epochs == 2)
        #expect(plan.quantized.map(\.recipe.learningRate) == [0.05, 0.05] && plan.quantized.map(\.recipe.blending) == [0.01, 0.5])
        #expect(
            plan.statistics.prefix(5) == [
                "float.train_loss", "float.test_loss", "float.test_top1", "float.weight_movement", "weak.train_loss"
            ])
        #expect(plan.statistics.count == 4 + 9 + 6)
        // The digest stands for the recipes and for the numbers of images.
        let changed = try [self.plan("96", "95"), self.plan("0.5", "0.4"), self.plan("0.02", "0.03"), self.plan("run: weak", "run: slack")]
            .map(\.digest)
        let again = try self.plan().digest
        #expect(Set(changed + [plan.digest]).count == 5 && plan.digest == again)
    }

    @Test(arguments: [
        ("train_images: 96", "train_images: none", "train_images must be a number of images, not none"),
        ("base: base.yaml", "", "needs the key base"),
        ("common:", "colour:", "unknown key colour"), ("run: weak, ", "", "needs the key run"),
        ("run: weak", "run: strong", "two runs have the same name"),
        ("run: weak", "run: float", "two runs have the same name"),
        ("blending: 0.5", "blending: 1.5", "blending must be at least 0 and below 1")
    ])
    func mistakesAreNamed(old: String, new: String, expected: String) throws {
        do {
            _ = try plan(old, new)
            Issue.record("accepted")
        } catch { #expect("\(error)".contains(expected), "\(error)") }
    }

    @Test func moreImagesThanThereAre() throws {
        let plan = try plan()
        #expect(throws: (any Error).self) { try plan.images(of: syntheticDataset(train: 95)) }
        let all = syntheticDataset()
        let (images, again) = (try plan.images(of: all), try plan.images(of: all))
        #expect(
            images.train.labels == Array(all.train.labels.prefix(96)) && images.train.images == Array(all.train.images.prefix(96 * 192)))
        #expect(images.test.count == 60 && images.checksum != all.checksum && images.checksum == again.checksum)
    }

    /// The values follow from the networks by their definitions: a rate so small that nothing moves leaves the start's.
    @Test(arguments: Precision.allCases) func measuresByDefinition(precision: Precision) throws {
        let plan = try plan()
        let images = try plan.images(of: syntheticDataset())
        let stop = StopRequest()
        func measure(_ plan: RegressionPlan, seed: UInt64 = 1) throws -> [String: Double] {
            let values = try #require(
                try plan.measure(images, seed: seed, precision: precision, threads: 1, stop: stop) { _ in SilentObserver() })
            #expect(values.count == plan.statistics.count && values.allSatisfy(\.isFinite))
            return Dictionary(uniqueKeysWithValues: zip(plan.statistics, values))
        }
        let (moving, still) = (try measure(plan), try measure(self.plan("common: {", "common: { rate: 1.0e-12,")))
        #expect(try measure(plan) == moving)
        #expect(try measure(plan, seed: 2) != moving)
        #expect(still["weak.resolution_drift"] == 0 && moving["weak.resolution_drift"] != 0)
        // ρ = 0.5 for six steps: the distance to the projection is halved six times, but for the little that the steps undo.
        let (weak, strong) = (try #require(moving["weak.weight_distance"]), try #require(moving["strong.weight_distance"]))
        #expect(still["weak.codes_changed"] == 0 && (0.4...0.8).contains(weak) && strong < weak / 10)
        // A float run of rate 0.02 moves: `still` has its own, so only quantized ones stand still.
        #expect(try #require(still["weak.weight_movement"]) < 0.15)
        stop.make()
        #expect(try plan.measure(images, seed: 1, precision: precision, threads: 1, stop: stop) { _ in SilentObserver() } == nil)
    }
}
