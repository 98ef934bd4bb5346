// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Reporting
import Training

/// A learning curve without a row: a run that is under way, or was stopped.
struct UnfinishedRun {
    let name: String
    /// Whoever trains it now; nil for nobody, and where that was not asked.
    let holder: String?
    /// Top-1 in percent by epoch on the images that it is evaluated on, and those in a word.
    let accuracies: [Int: Double]
    let evaluatedImages: String
    private let done: Int
    /// Of the recipe; nil where it is not at hand.
    private let epochs: Int?
    /// Of the last epoch.
    private let secondsPerEpoch: Double
    private let facts: [(name: String, value: String)]

    /// - Throws: `FileError` for a CSV that cannot be read.
    static func all(in output: OutputFolder, besides rows: [RunRow], isLive: Bool) throws -> [UnfinishedRun] {
        let finished = Set(rows.map(\.name))
        let files = FileManager.default, folder = output.runFolders
        let names = files.fileExists(atPath: folder) ? try files.contentsOfDirectory(atPath: folder) : []
        return try names.filter { !finished.contains($0) && files.fileExists(atPath: output.curve($0)) }.sorted().compactMap {
            try UnfinishedRun($0, in: output, isLive: isLive)
        }
    }

    private init?(_ name: String, in output: OutputFolder, isLive: Bool) throws {
        let path = output.curve(name), curve = try CSVTable(contentsOf: path)
        guard ["epoch", "seconds", "test_top1", "recipe_digest", "seed", "commit", "how"].allSatisfy(curve.header.contains) else {
            return nil  // not a run's: learning curves of other engines may lie here
        }
        func number(_ row: Int, _ column: String) -> Double { Double(curve[row, column]) ?? .nan }
        guard let last = curve.rows.indices.last else { return nil }
        self.name = name
        done = Int(curve[last, "epoch"]).flatMap { OutputFolder.epochs.contains($0) ? $0 : nil } ?? curve.rows.count
        holder = isLive ? output.trainer(of: name) : nil
        let recipe = output.recipe(curve[last, "recipe_digest"])
        let settings = FileManager.default.fileExists(atPath: recipe) ? try RunSettings(contentsOf: recipe).recipe : nil
        epochs = settings?.epochs
        // The curve does not name its data set; images of many sizes are ImageNet's.
        evaluatedImages = settings.map { $0.validationImages > 0 || $0.imageSize != nil } ?? false ? "validation" : "test"
        secondsPerEpoch = number(last, "seconds") - (last > 0 ? number(last - 1, "seconds") : 0)
        accuracies = Dictionary(OutputFolder.accuracies(curve).map { ($0.epoch, $0.top1) }) { $1 }
        facts = [
            ("command", curve[last, "how"]), ("commit", curve[last, "commit"]), ("seed", curve[last, "seed"]),
            ("recipe digest", curve[last, "recipe_digest"])
        ]
    }

    var html: HTML {
        let state = holder.map { "trained by \($0)" } ?? "not finished"
        let rate = String(format: "%.0f s an epoch", secondsPerEpoch)
        let left = epochs.map { ", \(Self.duration(Double($0 - done) * secondsPerEpoch)) left at that rate" } ?? ""
        let top1 =
            accuracies[done].map { "; \(evaluatedImages) top-1 now \(twoDecimals($0)) % (no result: the last epoch's is)" } ?? ""
        return .joined(
            [.heading(name), .paragraph("\(state): epoch \(done)\(epochs.map { " of \($0)" } ?? ""); \(rate)\(left)\(top1)")]
                + (epochs.map { [.progress(done, of: $0)] } ?? []) + [.details("source", facts)])
    }

    private static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite else { return "an unknown time" }
        return seconds < 5400 ? String(format: "%.0f minutes", seconds / 60) : String(format: "%.1f hours", seconds / 3600)
    }
}
