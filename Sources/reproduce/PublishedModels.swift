// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Datasets
import Experiments
import Files
import Foundation

/// The packed models beside a folder's rows, `models/*.bcgd`: each is of a run in `runs.csv`, and gets the test images right that the
/// run's `runs/RUN/correct.txt` says.
struct PublishedModels {
    let output: OutputFolder
    let images: DataOptions
    let threads: Int

    /// One line a model that is not what its run says, and what could not be checked, by `tell`.
    func faults(tell: (String) -> Void) throws -> [String] {
        let folder = output.path + "/models", rows = try output.rows()
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return try names.filter { $0.hasSuffix(".bcgd") }.sorted().compactMap { name in
            let path = "\(folder)/\(name)", model = try PackedModel(path: path)
            let run = String(model.provenance.prefix { $0 != "," })
            guard let row = rows.first(where: { $0.name == run }) else {
                return "\(path) is of \(run), which is not among the runs of \(output.path)"
            }
            guard let known = row.condition.dataset.known, images.holds(known) else {
                tell("\(path): not checked, as that takes the test images of \(row.condition.dataset.name) (--data, or BCGD_DATA)")
                return nil
            }
            let expected = try ImageOutcomes(contentsOf: output.correct(run), of: row).correct
            let dataset = try images.load(known, allowUnofficial: row.provenance.dataOrigin == .unofficial)
                .settingAside(row.condition.dataset.validationImages)
            let found = try correct(model, on: try dataset.sources(imageSize: nil).test, path)
            let differing = zip(expected, found).count { $0 != $1 } + abs(expected.count - found.count)
            guard differing == 0 else {
                return "\(path): \(found.count { $0 }) of \(found.count) test images right, \(run) had \(expected.count { $0 }) of "
                    + "\(expected.count), and \(differing) images differ"
            }
            tell("\(path): the \(found.count { $0 }) of \(found.count) test images right that \(run) had")
            return nil
        }
    }

    /// Which images of a split get their own class, in its order.
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
