// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing
import Training
import TrainingTestSupport

@Suite struct RecipeTests {
    private func refusal(_ body: () throws -> Void) -> String {
        let error = #expect(throws: (any Error).self) { try body() }
        return error.map { "\($0)" } ?? ""
    }

    /// METHOD.md part 2: η is divided by 10 at the milestones.
    @Test func schedule() throws {
        let recipe = try recipe(["epochs": "200", "rate": "0.1", "milestones": "[80, 140]"])
        let rates = [0, 79, 80, 139, 140, 199].map { recipe.learningRate(epoch: $0) }
        let expected: [Double] = [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
        for (rate, expected) in zip(rates, expected) { #expect(abs(rate - expected) < 1e-15) }
    }

    @Test func binaryConnectDoesNotBlend() throws {
        #expect(try recipe(["method": "bc", "weight_bits": "1"]).effectiveBlending == 0)
        #expect(try recipe(["method": "bcgd", "weight_bits": "1"]).effectiveBlending == 0.01)
    }

    /// A recipe that was never read from a file is checked all the same, and describing it never ends the program.
    @Test func impossibleRecipesInCode() throws {
        var wild = try recipe()
        wild.weightDecay = .infinity
        let run = RunDescription(name: "run", dataset: "synthetic", recipe: wild, seed: 1, warmStart: nil)
        #expect(run.digest.count == 8)
        #expect(refusal { try wild.validate() }.contains("weight_decay must be at least 0 and at most 1000000, not inf"))
        #expect(refusal { _ = try Trainer(run, dataset: syntheticDataset(), threads: 1) }.contains("weight_decay"))
        for change: (inout Recipe) -> Void in [
            { $0.momentum = .nan }, { $0.batchSize = .max }, { $0.epochs = 0 }, { $0.milestones = [3, 3] }, { $0.learningRate = .nan },
            { $0.relaxationStart = .leastNonzeroMagnitude },
            { $0.imageSize = -1 }, { $0.stepSizeGradientLimit = .infinity }, { $0.weightBits = 9 }, { $0.lloydIterations = .max },
            { $0.smallestCrop = .nan }
        ] {
            var other = try recipe()
            change(&other)
            #expect(throws: RecipeError.self) { try other.validate() }
        }
    }
}
