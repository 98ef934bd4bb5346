// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Foundation
import Graph
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// What quantization does to each layer, against definitions; and that nobody who is looked at notices.
@Suite(.serialized) struct DiagnosticsTests {
    private func trainer(
        _ changes: [String: String] = [:], precision: Precision = .f32, images: Int = 150,
        graph: ((FeatureShape, Int) throws -> NetworkGraph)? = nil
    ) throws -> Trainer {
        let run = RunDescription(
            name: "run", dataset: "synthetic", recipe: try recipe(quantizedChanges.merging(changes) { $1 }), seed: 3, warmStart: nil,
            precision: precision)
        let data = syntheticDataset(train: images)
        guard let graph else { return try Trainer(run, dataset: data, threads: 1) }
        return try Trainer(run, dataset: data, threads: 1, graph: graph)
    }

    /// An activation that reads the image itself: its inputs are the pixels of 256 of 300 training images, evenly spread, normalised with
    /// mean ½ and deviation 0.2. With 2 bits and α = 0.3 the grid ends at 0.9; no pixel lies at a boundary (173.4 and 127.5).
    @Test func inputsAreThoseOfTheTrainingImages() throws {
        let trainer = try trainer(["activation_bits": "2"], images: 300) { input, classes in
            try NetworkGraph(input) { $0.act("a").conv("c", 8, kernel: 3).norm("n").act("b").meanPool().linear("fc", classes) }
        }
        let alpha: Float = 0.3
        trainer.network.tensors["a.resolution"].value.fill(alpha)
        let probe = try ActivationProbe(trainer), found = try probe.measure()
        #expect(probe.images == 256 && found.map(\.layer) == ["a", "b"])
        let split = syntheticDataset(train: 300).train
        let x = (0..<256).flatMap { k in
            let first = k * 300 / 256 * 192
            return split.images[first..<first + 192].map { (Double($0) / 255 - 0.5) / 0.2 }
        }
        let positive = x.filter { $0 > 0 }.map { $0 / Double(alpha) }, count = Double(x.count)
        #expect(found[0].stepSize == Double(alpha))
        #expect(found[0].zero == Double(x.count { $0 <= 0 }) / count && found[0].saturated == Double(x.count { $0 > 0.9 }) / count)
        // f32 pixels, f64 sums: a relative error of some 2⁻²³.
        let mean = positive.reduce(0, +) / Double(positive.count), square = positive.reduce(0) { $0 + $1 * $1 } / Double(positive.count)
        #expect(abs((found[0].mean ?? 0) / mean - 1) < 1e-6 && abs((found[0].rms ?? 0) / square.squareRoot() - 1) < 1e-6)
        #expect(found[0].saturated > 0.01 && found[0].zero > 0.01)
    }

    /// By the definition, at 2 bits with one scale a channel.
    @Test func weightsAgainstTheDefinition() throws {
        let trainer = try trainer(["weight_bits": "2"])
        let found = WeightDiagnostics.all(of: trainer.network)
        let quantized = trainer.network.weights.filter { $0.integerWeights != nil }
        #expect(found.count == quantized.count && !found.isEmpty)
        for (found, weight) in zip(found, quantized) {
            let float = weight.value.values.map(Double.init), passes = try #require(weight.quantized).values.map(Double.init)
            let distance = (zip(float, passes).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / float.reduce(0) { $0 + $1 * $1 })
                .squareRoot()
            #expect(weight.name == found.layer + ".weight" && abs((found.distance ?? 0) - distance) < 1e-12 && distance > 0.1)
            #expect(found.zero == Double(passes.count { $0 == 0 }) / Double(passes.count))
        }
        #expect(found.contains { $0.zero > 0 })
        let binary = try self.trainer()
        #expect(WeightDiagnostics.all(of: binary.network).allSatisfy { $0.zero == 0 })
    }

    /// Looks at every epoch's end, and keeps what it saw of the weights.
    private struct Looking: TrainingObserver {
        let trainer: Trainer
        let probe: ActivationProbe
        var changes: [[Double]] = []
        var seen: [[ActivationDiagnostics]] = []

        init(_ trainer: Trainer) throws { (self.trainer, probe) = (trainer, try ActivationProbe(trainer)) }
        func stepped(_ state: TrainingState) {}
        mutating func finishedEpoch(_ state: TrainingState) throws {
            changes.append(trainer.layerChanges ?? [])
            seen.append(try probe.measure())
        }
    }

    /// The same bits of training with the probe as without it; also where evaluation lags, or where passes use relaxed weights.
    @Test(arguments: [
        (Precision.f32, [String: String]()), (.mixed, [:]), (.s16, [:]), (.f32, ["evaluation": "lagged"]),
        (.f32, ["method": "binary-relax", "weight_bits": "2"])
    ])
    func trainingDoesNotNotice(_ precision: Precision, _ changes: [String: String]) throws {
        let (plain, watched) = (try trainer(changes, precision: precision), try trainer(changes, precision: precision))
        var silent = SilentObserver(), looking = try Looking(watched)
        try plain.train(checkpoint: nil, observer: &silent)
        try watched.train(checkpoint: nil, observer: &looking)
        let same = bits(plain) == bits(watched)
        #expect(same)
        #expect(
            looking.seen.count == 4
                && looking.seen.allSatisfy {
                    $0.allSatisfy { (0..<1).contains($0.saturated) && (0..<1).contains($0.zero) && ($0.rms ?? 0) > 0 }
                })
        #expect(looking.seen[0] != looking.seen[3])
    }

    /// The layers' changes come to the curve's, and a run that is cut within an epoch counts those of the whole epoch.
    @Test func changesOfLayersComeToTheCurves() throws {
        let whole = try trainer()
        var looking = try Looking(whole)
        try whole.train(checkpoint: nil, observer: &looking)
        let counts = whole.network.weights.compactMap { $0.integerWeights == nil ? nil : Double($0.value.count) }, all = counts.reduce(0, +)
        for (record, changes) in zip(whole.state.curve, looking.changes) {
            let mean = zip(changes, counts).reduce(0) { $0 + $1.0 * $1.1 } / all
            #expect(changes.count == counts.count && abs(mean - (record.integerChanges ?? -1)) < 1e-9)
        }
        #expect(looking.changes[0].contains { $0 > 0 })
        let folder = try TemporaryFolder(), path = folder.path + "/run.safetensors"
        var silent = SilentObserver()
        try trainer().train(checkpoint: path, stepLimit: 7, observer: &silent)
        let resumed = try trainer()
        try resumed.restore(Checkpoint(path: path))
        var further = try Looking(resumed)
        try resumed.train(checkpoint: nil, observer: &further)
        #expect(further.changes == Array(looking.changes.dropFirst()))
    }
}
