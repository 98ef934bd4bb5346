// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Datasets
import Experiments
import Files
import Foundation
import Training

/// The networks beside a folder's rows, `models/*.bcgd` and, of float weights, `models/*.safetensors`: each is of a run in `runs.csv`, and
/// gets the test images right that the run's `runs/RUN/correct.txt` says.
struct PublishedModels {
    let output: OutputFolder
    let images: DataOptions
    let threads: Int

    private enum Network {
        case packed(PackedModel), weights(Checkpoint)

        init?(path: String) throws {
            switch URL(fileURLWithPath: path).pathExtension {
            case "bcgd": self = .packed(try PackedModel(path: path))
            case "safetensors": self = .weights(try Checkpoint(path: path))
            default: return nil
            }
        }

        /// The name of the run that it is of.
        var run: String {
            get throws {
                switch self {
                case .packed(let model): String(model.provenance.prefix { $0 != "," })
                case .weights(let checkpoint): try checkpoint.description().name
                }
            }
        }

        /// The share of images that may differ, if it is about as often for better as for worse. A packed model's integers are the same
        /// everywhere. With float weights mixed precision rounds otherwise where the processor has no BF16, which flips levels, in the
        /// more images the coarser they are. Seen on CIFAR-10, ResNet-20, AVX-512 with BF16 against without: 0.2 % in float (table 4's),
        /// 2.5 and 2.7 % at 4 bits (32W4A; table 4, clipped ReLU), 8.6 to 11.8 % at 2 (table 4). Two trained networks of nearly the same
        /// accuracy differ in 5.5 % (4W4A by BCGD and by BC).
        var tolerance: Double {
            get throws {
                guard case .weights(let checkpoint) = self else { return 0 }
                return switch try checkpoint.description().recipe.activationBits {
                case ...2: 0.15
                case ...8: 0.04
                default: 0.01
                }
            }
        }
    }

    /// One line a network that is not what its run says, and what could not be checked, by `tell`.
    func faults(tell: (String) -> Void) throws -> [String] {
        let folder = output.path + "/models", rows = try output.rows()
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return try names.sorted().compactMap { name in
            let path = "\(folder)/\(name)"
            guard let network = try Network(path: path) else { return nil }
            let run = try network.run
            guard let row = rows.first(where: { $0.name == run }) else {
                return "\(path) is of \(run), which is not among the runs of \(output.path)"
            }
            guard let known = row.condition.dataset.known, images.holds(known) else {
                tell("\(path): not checked, as that takes the test images of \(row.condition.dataset.name) (--data, or BCGD_DATA)")
                return nil
            }
            let expected = try ImageOutcomes(contentsOf: output.correct(run), of: row)
            let dataset = try images.load(known, allowUnofficial: row.provenance.dataOrigin == .unofficial)
                .settingAside(row.condition.dataset.validationImages)
            let found = ImageOutcomes(try correct(network, on: dataset, path))
            let differing = expected.differing(from: found)
            guard expected.agree(with: found, upTo: try network.tolerance) else {
                return "\(path): \(found.count) of \(found.correct.count) test images right, \(run) had \(expected.count) of "
                    + "\(expected.correct.count), and \(differing) images differ"
            }
            let but = differing == 0 ? "" : ", but for \(differing) on this processor, which gets \(found.count) right"
            tell("\(path): the \(expected.count) of \(expected.correct.count) test images right that \(run) had\(but)")
            return nil
        }
    }

    /// Which test images get their own class, in their order.
    private func correct(_ network: Network, on dataset: any Dataset, _ path: String) throws -> [Bool] {
        switch network {
        case .packed(let model): return try correct(model, on: try dataset.sources(imageSize: nil).test, path)
        case .weights(let checkpoint):
            let trainer = try Trainer(checkpoint.description(), dataset: dataset, threads: checkpoint.state.threads ?? threads)
            try trainer.restore(checkpoint)
            return try trainer.evaluate().correct
        }
    }

    private func correct(_ model: PackedModel, on split: any ImageSource, _ path: String) throws -> [Bool] {
        let input = model.input
        guard (split.height, split.width, split.channels) == (input.height, input.width, input.channels) else {
            throw FileError("\(path) takes images of \(input.height)×\(input.width)×\(input.channels), which are not the data set's")
        }
        let classifier = try Classifier(model, threads: threads), reader = try split.reader(augmentation: nil, seed: 0)
        let normalization = PixelNormalization(mean: Array(model.mean.prefix(split.channels)), std: Array(model.std.prefix(split.channels)))
        var values = [Float](repeating: 0, count: split.imageSize)
        return try (0..<split.count).map { image in
            try values.withUnsafeMutableBufferPointer { buffer in
                guard let start = buffer.baseAddress else { return false }
                let label = try reader.read(image, epoch: 0, into: start).label
                let best = classifier.classify(normalization.bytes(of: UnsafeBufferPointer(buffer)), top: 1)
                return best.first?.index == Int(label)
            }
        }
    }
}
