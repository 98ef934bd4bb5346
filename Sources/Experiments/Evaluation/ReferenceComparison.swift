// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Files
import Foundation

/// How PyTorch's pixels, scores and predictions differ from ours.
public struct ReferenceComparison {
    public let top1, top5: Percent
    /// Mean over all values, of 255.
    private let pixels: Double
    /// Images whose prediction differs: each engine on its own pixels, and both on PyTorch's.
    private let predictions, samePixels: Int
    /// Largest difference of scores on the same pixels, as a part of the largest score.
    private let scores: Double
    private let count: Int

    /// - Throws: `SafetensorsError` or `FileError` when the file holds other images.
    public init(path: String, _ evaluation: WeightsEvaluation, ours: WeightsEvaluation.Result) throws {
        let file = try SafetensorsFile(path: path)
        let (count, classes) = (ours.total.count, evaluation.classes)
        let theirs = try file.values(UInt8.self, named: "pixels")
        let logits = try file.floats(named: "logits", shape: [count, classes])
        let labels = try file.values(Int32.self, named: "labels", shape: [count])
        if let score = logits.firstIndex(where: { !$0.isFinite }) {
            throw FileError("\(path): the scores of image \(score / classes + 1) of \(count) are not finite")
        }
        guard theirs.count == ours.pixels.count, labels == ours.labels else {
            throw FileError("\(path) holds other images, another size or another order than these validation images")
        }
        func rows(_ scores: [Float]) -> [ArraySlice<Float>] { (0..<count).map { scores[$0 * classes..<($0 + 1) * classes] } }
        let again = try evaluation.scores(theirs)
        let reference = rows(logits).map(highest)
        let ranks = zip(rows(logits), labels).map { row, label in row.count { $0 > row[row.startIndex + Int(label)] } }
        (top1, top5) = (Percent(ranks.count { $0 < 1 }, of: count), Percent(ranks.count { $0 < 5 }, of: count))
        let distance = zip(theirs, ours.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        pixels = Double(distance) / Double(theirs.count)
        predictions = zip(reference, ours.predictions).count { $0 != $1 }
        samePixels = zip(reference, rows(again).map(highest)).count { $0 != $1 }
        let largest = logits.reduce(0) { max($0, abs($1)) }
        scores = Double(zip(logits, again).reduce(0) { max($0, abs($1.0 - $1.1)) } / largest)
        self.count = count
    }

    public var text: String {
        """
        PyTorch: top-1 \(top1.text), top-5 \(top5.text)
        pixels differ by \(String(format: "%.5f", pixels)) of 255 on average; \(predictions) of \(count) predictions differ
        on PyTorch's pixels \(samePixels) predictions differ, and scores by at most \(String(format: "%.1e", scores)) of the largest
        """
    }

    var fields: [String] { [String(format: "%.6f", pixels), "\(predictions)", "\(samePixels)", String(format: "%.2e", scores)] }
}
