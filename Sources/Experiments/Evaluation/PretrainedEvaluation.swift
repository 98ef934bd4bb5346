// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Files
import Foundation
import Reporting

/// Top-1 and top-5 of a float network in a file on validation images, shown and recorded.
public struct PretrainedEvaluation {
    public let file: PretrainedFile
    public let dataset: ImageNet
    /// Rows and columns of the central crop; pixels to which the short side is resized before, 0 for no resizing.
    public let imageSize: Int
    public let resize: Int?
    /// Predict among the data set's classes alone.
    public let restrict: Bool
    public let precision: Precision
    public let threads, dataWorkers: Int
    public let invocation: Invocation

    public init(
        _ file: PretrainedFile, on dataset: ImageNet, imageSize: Int, resize: Int?, restrict: Bool, precision: Precision, threads: Int,
        dataWorkers: Int,
        invocation: Invocation
    ) {
        (self.file, self.dataset, self.imageSize, self.resize, self.restrict) = (file, dataset, imageSize, resize, restrict)
        (self.precision, self.threads, self.dataWorkers, self.invocation) = (precision, threads, dataWorkers, invocation)
    }

    /// - Parameters:
    ///   - reference: a file with PyTorch's pixels and scores.
    ///   - record: the CSV file that takes the result as a row.
    public func run(reference: String?, record: String?) throws {
        if let record {  // before minutes are spent on what cannot be recorded
            if !Self.folder(of: record).isEmpty { try makeFolder(Self.folder(of: record)) }
            _ = try Self.table(record)
        }
        let rows = try file.classes(for: dataset)
        let crop = resize.map { CenterCrop(resize: $0 == 0 ? nil : $0, crop: imageSize) } ?? CenterCrop(crop: imageSize)
        let split = dataset.testSplit(crop, inAll: rows != nil && !restrict)
        let network = try file.network()
        let classes = restrict ? dataset.classes.count : try file.classCount()
        let evaluation = try WeightsEvaluation(
            network: network, weights: restrict ? try rows.map { try file.weights.selectingClasses($0) } ?? file.weights : file.weights,
            classes: classes, precision: precision, threads: threads, imageSize: imageSize)
        let result = try evaluation.evaluate(split, dataWorkers: dataWorkers, bar: "images", keepingPixels: reference != nil)
        let (top1, top5) = (Percent(result.total.top1, of: result.total.count), Percent(result.total.top5, of: result.total.count))
        let preprocessing = crop.resize.map { "resize \($0), centre crop \(imageSize)" } ?? "centre crop \(imageSize) without resizing"
        let data = dataset.fingerprint ?? ""
        let shared = [dataset.name, data, "\(result.total.count)", network, file.digest, preprocessing, restrict ? "restricted" : "all"]
        func fields(_ engine: String, _ top1: Percent, _ top5: Percent, _ differences: [String]?) -> [String] {
            shared + [engine] + top1.fields + top5.fields + (differences ?? ["", "", "", ""]) + [invocation.commit, invocation.command]
        }
        let comparison = Result { try reference.map { try ReferenceComparison(path: $0, evaluation, ours: result) } }
        // Before it is said, as what reads the words may be gone.
        let kept = Result {
            guard let record else { return }
            let comparison = try comparison.get()
            try withLock(on: Self.folder(of: record)) {
                var table = try Self.table(record)
                table.appendOrReplace(fields("this suite, \(precision.rawValue)", top1, top5, comparison?.fields), key: Self.key)
                if let comparison { table.appendOrReplace(fields("PyTorch", comparison.top1, comparison.top5, nil), key: Self.key) }
                try table.write(to: record)
            }
        }
        say("\(dataset.name), \(result.total.count) validation images, \(preprocessing), \(classes) classes to choose from")
        say("top-1 \(top1.text), top-5 \(top5.text) (Clopper–Pearson, 95 %)")
        if let comparison = try comparison.get() { say(comparison.text) }
        try kept.get()
    }

    private static func folder(of file: String) -> String { (file as NSString).deletingLastPathComponent }

    /// The rows that are there; those from before weights or images had a column say nothing of theirs, and stay.
    private static func table(_ path: String) throws -> CSVTable {
        for later in [["weights", "data_crc32"], ["data_crc32"]] {
            let former = columns.filter { !later.contains($0) }
            guard let table = try CSVTable.ifPresent(path, columns: former), table.header == former else { continue }
            let rows = table.rows.indices.map { row in columns.map { former.contains($0) ? table[row, $0] : "" } }
            return CSVTable(header: columns, rows: rows)
        }
        return try CSVTable.growing(path, columns: columns)
    }

    private static let key = ["dataset", "data_crc32", "network", "weights", "preprocessing", "classes", "engine"]
    private static let columns = [
        "dataset", "data_crc32", "n_test", "network", "weights", "preprocessing", "classes", "engine", "top1", "top1_low", "top1_high",
        "top5", "top5_low", "top5_high",
        "mean_pixel_difference", "differing_predictions", "differing_predictions_same_pixels", "relative_score_difference_same_pixels",
        "commit", "how"
    ]
}
