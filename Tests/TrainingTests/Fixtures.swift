// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Foundation
import Training
import TrainingTestSupport

/// The base recipe with some values replaced or added, as YAML would have them.
func recipe(_ changes: [String: String] = [:]) throws -> Recipe {
    let base = baseRecipe.split(separator: "\n").map {
        $0.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
    }
    let settings = Dictionary(uniqueKeysWithValues: base.map { ($0[0], $0[1]) }).merging(changes) { _, new in new }
    // Words have quotes in JSON.
    let json = settings.map { key, value in
        "\"\(key)\": "
            + (value.contains { !"0123456789.eE+-[], ".contains($0) } && !["true", "false"].contains(value) ? "\"\(value)\"" : value)
    }
    let recipe = try JSONDecoder().decode(Recipe.self, from: Data("{\(json.joined(separator: ", "))}".utf8))
    try recipe.validate()
    return recipe
}

/// Everything that a run is, but the clock: parameters with their moments, and the projections that the next pass sees; running statistics;
/// learning curves; where it stands.
func bits(_ trainer: Trainer) -> [[UInt32]] {
    var all: [[UInt32]] = []
    for parameter in trainer.network.parameters {
        for tensor in [parameter.value, parameter.momentum, parameter.secondMoment, parameter.quantized].compactMap({ $0 }) {
            all.append(tensor.values.map(\.bitPattern))
        }
        guard let integerWeights = parameter.integerWeights else { continue }
        all.append((0..<parameter.value.count).map { UInt32(bitPattern: Int32(integerWeights[$0])) })
        all.append((0..<parameter.slices).map { parameter.scales[$0].bitPattern })
    }
    all += trainer.network.statistics.map { $0.tensor.values.map(\.bitPattern) }
    let state = trainer.state
    all += [state.curve.map(\.testLoss), state.curve.map(\.trainLoss), state.curve.map { $0.integerChanges ?? -1 }].map { curve in
        curve.map { Float($0).bitPattern }
    }
    return all + [[UInt32(state.epoch), UInt32(state.batch), Float(state.lossSum).bitPattern]]
}
