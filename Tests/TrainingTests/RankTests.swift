// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Collectives
import Compute
import Datasets
import Foundation
import Graph
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// Any number of ranks gives the bits of one. The ranks are threads of the test; `.ci/ranks` does the same with processes over MPI.
@Suite(.serialized) struct RankTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var changes: [String: String]
        var precision = Precision.f32, threads = 1
        var testDescription: String {
            "\(changes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")), \(precision), \(threads) "
                + "threads"
        }
    }

    /// 150 images in batches of 32: the last one has 22, which are 8, 8, 6 and 0 of four shards, so that one of four ranks has none.
    static let cases = [
        Case(changes: quantizedChanges), Case(changes: quantizedChanges, precision: .mixed),
        Case(changes: quantizedChanges, precision: .mixed, threads: 2),
        Case(changes: quantizedChanges, precision: .s16, threads: 2),
        Case(changes: [:]), Case(changes: [:], precision: .mixed),
        Case(
            changes: quantizedChanges.merging(["accumulation": "2", "batch_norm_images": "64", "optimizer": "adam", "momentum": "0.9"]) {
                $1
            }),
        Case(
            changes: [
                "method": "bcgd", "weight_bits": "2", "activation_bits": "4", "weight_quantizer": "lsq", "activation_quantizer": "lsq"
            ], precision: .mixed),
        Case(changes: quantizedChanges.merging(["evaluation": "lagged"]) { $1 }, precision: .mixed)
    ]

    /// Trains for some steps on ranks and writes a checkpoint; a quantized run starts, calibrated, from a float one's weights.
    private func train(_ c: Case, shards: Int, ranks: Int, steps: Int = .max, resuming: Bool = false, to path: String) throws {
        let before = RunDescription(
            name: "float", dataset: "synthetic", recipe: try recipe(["epochs": "1", "milestones": "[]"]), seed: 3, warmStart: nil)
        let isFloat = c.changes["method"] == nil, floatPath = path + ".float"
        var quiet = SilentObserver()
        if !isFloat && !resuming {
            try Trainer(before, dataset: syntheticDataset(), threads: 1).train(checkpoint: floatPath, observer: &quiet)
        }
        _ = try onRanks(ranks) { collective in
            let changes = c.changes.merging(["epochs": "2", "milestones": "[1]", "shards": "\(shards)"]) { $1 }
            let run = RunDescription(
                name: "run", dataset: "synthetic", recipe: try recipe(changes), seed: 3, warmStart: isFloat ? nil : before,
                precision: c.precision)
            let trainer = try Trainer(run, dataset: syntheticDataset(), threads: c.threads, collective: collective)
            if resuming {
                try trainer.restore(Checkpoint(path: path, for: collective))
            } else if !isFloat {
                try trainer.warmStart(from: Checkpoint(path: floatPath, for: collective), of: before)
            }
            var observer = SilentObserver()
            try trainer.train(checkpoint: path, stepLimit: steps, observer: &observer)
            if trainer.isFinished { _ = try trainer.finalCorrect() }
        }
    }

    @Test(arguments: cases) func ranksGiveTheBitsOfOne(_ c: Case) throws {
        let folder = try TemporaryFolder()
        func path(_ ranks: Int) -> String { "\(folder.path)/\(ranks).safetensors" }
        for ranks in [1, 2, 4] { try train(c, shards: 4, ranks: ranks, to: path(ranks)) }
        let one = try Checkpoint(path: path(1))
        #expect(one.state.epoch == 2)
        for ranks in [2, 4] { #expect(try one.differences(from: Checkpoint(path: path(ranks))) == []) }
        if c.threads == 2 {
            try train(c, shards: 8, ranks: 1, to: path(8))
            let one = try Checkpoint(path: path(8))
            try train(c, shards: 8, ranks: 8, to: path(8))
            #expect(try one.differences(from: Checkpoint(path: path(8))) == [])
        }
        // Shards do move bits: else this would show nothing.
        let plain = "\(folder.path)/plain.safetensors"
        try train(c, shards: 1, ranks: 1, to: plain)
        #expect(try one.differences(from: Checkpoint(path: plain)).count > 1)
    }

    @Test(arguments: Precision.allCases) func aRunGoesOnWithOtherRanks(_ precision: Precision) throws {
        let folder = try TemporaryFolder(), c = Case(changes: quantizedChanges, precision: precision)
        let (whole, cut) = ("\(folder.path)/whole.safetensors", "\(folder.path)/cut.safetensors")
        try train(c, shards: 4, ranks: 1, to: whole)
        try train(c, shards: 4, ranks: 2, steps: 7, to: cut)
        try train(c, shards: 4, ranks: 4, resuming: true, to: cut)
        #expect(try Checkpoint(path: whole).differences(from: Checkpoint(path: cut)) == [])
    }

    /// Of two ranks only one is asked to stop.
    @Test func allStopWhenOneIsAsked() throws {
        let states = try onRanks(2) { collective in
            let run = RunDescription(name: "run", dataset: "synthetic", recipe: try recipe(["shards": "2"]), seed: 3, warmStart: nil)
            let trainer = try Trainer(run, dataset: syntheticDataset(), threads: 1, collective: collective), stop = StopRequest()
            var observer = StopAfter(steps: 3, stop: collective.rank == 1 ? stop : nil)
            try trainer.train(checkpoint: nil, stop: stop, observer: &observer)
            return [trainer.state.epoch, trainer.state.batch, stop.isMade ? 1 : 0]
        }
        #expect(states == [[0, 3, 1], [0, 3, 1]])
    }

    @Test func ranksMustDivideTheShards() throws {
        let error = #expect(throws: CollectiveError.self) {
            _ = try onRanks(4) { collective in
                let run = RunDescription(name: "run", dataset: "synthetic", recipe: try recipe(["shards": "2"]), seed: 3, warmStart: nil)
                _ = try Trainer(run, dataset: syntheticDataset(), threads: 1, collective: collective)
            }
        }
        #expect(error?.description.contains("4 ranks do not divide 2 shards") == true)
    }

    /// One image fewer, or one label changed: no sum would tell.
    @Test func ranksMustHaveTheSameImages() throws {
        let whole = syntheticDataset(), train = whole.train
        let changed = ImageDataset(
            name: whole.name, classes: whole.classes,
            train: ImageSplit(
                height: train.height, width: train.width, channels: train.channels, images: train.images,
                labels: [train.labels[0] ^ 1] + train.labels.dropFirst(), normalization: train.normalization), test: whole.test,
            isOfficial: true)
        for other in [syntheticDataset(train: 149), syntheticDataset(test: 59), changed] {
            let error = #expect(throws: CollectiveError.self) {
                _ = try onRanks(2) { collective in
                    let run = RunDescription(
                        name: "run", dataset: "synthetic", recipe: try recipe(["shards": "2"]), seed: 3, warmStart: nil)
                    _ = try Trainer(run, dataset: collective.rank == 1 ? other : whole, threads: 1, collective: collective)
                }
            }
            let said = error?.description ?? ""
            #expect(said.hasPrefix("rank 1 has \(other.train.count) training images") && said.contains(whole.checksum), "\(said)")
        }
    }

    /// A running mean of batch norm, which ranks do not share: the epoch's end tells.
    @Test func otherBitsEndTheJob() throws {
        let error = #expect(throws: CollectiveError.self) {
            _ = try onRanks(2) { collective in
                let run = RunDescription(name: "run", dataset: "synthetic", recipe: try recipe(["shards": "2"]), seed: 3, warmStart: nil)
                let trainer = try Trainer(run, dataset: syntheticDataset(), threads: 1, collective: collective)
                if collective.rank == 1 { trainer.network.statistics[0].tensor.pointer[0] += 1 }
                var observer = SilentObserver()
                try trainer.train(checkpoint: nil, observer: &observer)
            }
        }
        #expect(error?.description.hasPrefix("rank 1 computes other bits than rank 0 in epoch 1 of run") == true)
    }

    // MARK: Planted faults

    enum Fault: String, CaseIterable, Sendable {
        case localBatchNorm = "local batch norm", localN = "local N in the loss", droppedShard = "a dropped shard", scaleTwice =
            "γ summed twice"
        case clampedEarly = "α clamped before the sum", swapped = "shards swapped between ranks"
    }

    /// Three steps of a 1W4A network on noise: the bits of all values.
    private func bits(ranks: Int, _ precision: Precision, _ fault: Fault?, network: String = "resnet8", side: Int = 8) throws -> [UInt32] {
        try onRanks(ranks) { plain in
            let collective = fault.map { Faulty($0, plain) as any Collective } ?? plain, batch = 16
            let recipe = try recipe(quantizedChanges.merging(["resolution_gradient_limit": "1.0e-4", "network": network]) { $1 })
            let engine = try Engine(threads: 1), shards = try Shards(4, batch: batch, collective: collective)
            let context = ExecutionContext(engine: engine, shards: shards), shape = FeatureShape(height: side, width: side, channels: 3)
            let network = try Network(try recipe.graph(input: shape, classes: 4), precision: precision, in: context)
            network.initialize(seed: 1)
            let descent = CoarseGradientDescent(network, recipe: recipe, threads: 1)
            descent.project()
            let local = batch / ranks, isLocal = fault == .localN
            let loss = SoftmaxCrossEntropy(classes: 4, in: isLocal ? ExecutionContext(engine: engine, batch: local) : context)
            let images = shape.tensor(batch: local)
            // The middle ranks take each other's images, and keep their own place in the sums.
            let rank = fault == .swapped && [1, 2].contains(plain.rank) ? 3 - plain.rank : plain.rank
            for i in 0..<images.count { images.pointer[i] = Float(sin(Double(i + rank * local * shape.count) * 1.7)) }
            let labels = (0..<local).map { Int32((rank * local + $0) % 4) }
            _ = try network.forward(images, batch: batch, mode: .calibration)
            for _ in 0..<3 {
                _ = loss(try network.forward(images, batch: batch, mode: .training), labels: labels, batch: isLocal ? local : batch)
                try network.backward(loss.gradient, batch: batch)
                if fault == .scaleTwice {
                    for scale in network.parameters where scale.name.hasSuffix("bn1.weight") {
                        let all = try collective.gather(scale.gradient.values)
                        scale.gradient.set(
                            (0..<scale.gradient.count).map { c in (0..<ranks).reduce(0) { $0 + all[$1 * scale.gradient.count + c] } })
                    }
                }
                descent.step(learningRate: 0.01)
            }
            return network.parameters.flatMap { $0.value.values.map(\.bitPattern) }
                + network.statistics.flatMap { $0.tensor.values.map(\.bitPattern) }
        }[0]
    }

    /// Convolutions with biases, and maxima.
    @Test(arguments: Precision.allCases) func vggToo(_ precision: Precision) throws {
        let right = try bits(ranks: 1, precision, nil, network: "vgg11", side: 32)
        #expect(try bits(ranks: 2, precision, nil, network: "vgg11", side: 32) == right)
    }

    @Test(arguments: Precision.allCases) func plantedFaultsAreCaught(_ precision: Precision) throws {
        let right = try bits(ranks: 1, precision, nil)
        #expect(try bits(ranks: 4, precision, nil) == right)
        for fault in Fault.allCases { #expect(try bits(ranks: 4, precision, fault) != right, "\(fault.rawValue)") }
    }
}

/// Passes everything on, but for one fault.
private final class Faulty: Collective {
    private let fault: RankTests.Fault, plain: any Collective
    var rank: Int { plain.rank }
    var ranks: Int { plain.ranks }

    init(_ fault: RankTests.Fault, _ plain: any Collective) { (self.fault, self.plain) = (fault, plain) }

    func allGather(_ own: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        var own = [UInt8](own)
        let count = own.count
        if fault == .clampedEarly, count % 16 == 8 {  // an odd count of numbers: the last is the gradient in α
            own.withUnsafeMutableBytes { bytes in
                let last = bytes.bindMemory(to: Double.self)
                last[last.count - 1] = min(max(last[last.count - 1], -1e-4), 1e-4)
            }
        }
        try own.withUnsafeBytes { try plain.allGather($0, into: all) }
        guard fault == .localBatchNorm, count > 64 else { return }
        for i in 0..<ranks * count { all[i] = own[i % count] }
    }

    func exchange(_ values: UnsafePointer<Float>, cuts: [Int], into parts: UnsafeMutablePointer<Float>) throws {
        try plain.exchange(values, cuts: cuts, into: parts)
        let count = cuts[plain.rank + 1] - cuts[plain.rank]
        if fault == .droppedShard { (parts + (ranks - 1) * count).update(repeating: 0, count: count) }
    }

    func share(_ values: UnsafeMutablePointer<Float>, cuts: [Int]) throws { try plain.share(values, cuts: cuts) }
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer) throws { try plain.broadcast(bytes) }
    func finish() {}
    func abort() -> Never { plain.abort() }
}

private struct StopAfter: TrainingObserver {
    var steps: Int
    let stop: StopRequest?

    mutating func stepped(_ state: TrainingState) {
        steps -= 1
        if steps == 0 { stop?.make() }
    }
    func finishedEpoch(_ state: TrainingState) {}
}
