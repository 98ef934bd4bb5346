// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Files
import Foundation
import Reporting
import Training

/// What the plan's quantized runs learn in `Precision.s16` from random weights with one seed, bit for bit the same on every processor and
/// for any number of threads (Documentation/MixedPrecision.md): where one bit differs, something has changed, and no statistics are
/// needed to see it.
struct RegressionDigests {
    /// Of all weights and running statistics of one run.
    private struct Digest {
        let run, checksum: String
    }

    private static let header = ["dataset", "run", "seed", "checksum", "data_crc32", "recipe", "recipe_digest", "commit", "how"]
    private static let key = ["dataset", "run", "seed", "data_crc32", "recipe_digest"]
    private static let seed: UInt64 = 1

    private let runner: RegressionRunner
    private let images: ImageDataset
    private let digests: [Digest]

    /// Trains the runs.
    /// - Returns: nil when somebody asked to stop.
    init?(_ runner: RegressionRunner, _ images: ImageDataset) throws {
        (self.runner, self.images) = (runner, images)
        var digests: [Digest] = []
        for run in runner.plan.quantized {
            guard let checksum = try runner.learned(images, run, seed: Self.seed) else { return nil }
            digests.append(Digest(run: run.name, checksum: checksum))
        }
        self.digests = digests
    }

    /// Puts them in `digests.csv`, in place of earlier ones of the same runs.
    func record(in file: String) throws {
        var table = try CSVTable.growing(file, columns: Self.header)
        for digest in digests { table.appendOrReplace(row(digest), key: Self.key) }
        try table.write(to: file)
    }

    /// The runs whose bits are others than those recorded; says so, and what is not recorded.
    func changed(since file: String) throws -> [String] {
        let table = try CSVTable.growing(file, columns: Self.header)
        return digests.filter { digest in
            let name = "\(images.name) s16 \(digest.run) from random weights"
            guard let known = table.firstIndex(like: row(digest), key: Self.key) else {
                say("\(name): \(digest.checksum), which \(file) has no checksum for: not compared")
                return false
            }
            let isSame = table[known, "checksum"] == digest.checksum
            say("\(name): \(digest.checksum), \(isSame ? "the recorded bits" : "other bits than \(table[known, "checksum"])")")
            return !isSame
        }.map(\.run)
    }

    private func row(_ digest: Digest) -> [String] {
        let plan = runner.plan, invocation = runner.invocation
        return [
            images.name, digest.run, "\(Self.seed)", digest.checksum, images.checksum, plan.recipeName, plan.digest, invocation.commit,
            invocation.command
        ]
    }
}

extension RegressionRunner {
    /// CRC-32 of all weights and running statistics that a quantized run learns in s16 from random weights.
    /// - Returns: nil when somebody asked to stop.
    fileprivate func learned(_ images: ImageDataset, _ run: RegressionPlan.Run, seed: UInt64) throws -> String? {
        let description = RunDescription(
            name: run.name, dataset: images.name, recipe: run.recipe, seed: seed, warmStart: nil, precision: .s16)
        let trainer = try Trainer(description, dataset: images, threads: threads)
        var observer = observer("\(images.name) s16 \(run.name)", run, images)
        do { try trainer.train(checkpoint: nil, stop: stop, observer: &observer) } catch is DivergenceError { return "diverged" }
        guard trainer.isFinished else { return nil }
        return checksum(of: trainer.network.parameters.map(\.value) + trainer.network.statistics.map(\.tensor))
    }
}

/// CRC-32 of all their bits, one tensor after the other.
public func checksum(of tensors: [Tensor]) -> String {
    crc32Hex(tensors.reduce(into: Data()) { data, tensor in tensor.values.withUnsafeBytes { data.append(contentsOf: $0) } })
}
