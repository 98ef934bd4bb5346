// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Reporting
import Training

/// The files of an output folder that runs write; tables and figures follow from them (`ResultFiles`):
///
///     runs.csv                      one row a run that finished or diverged
///     runs/RUN/curve.csv            its learning curve
///     runs/RUN/correct.txt          which test images it gets right (`ImageOutcomes`)
///     runs/RUN/diagnostics.csv      what quantization does to each layer, where that was asked for (`DiagnosticsTable`)
///     checkpoints/RUN.safetensors   where it stands
///     recipes/DIGEST.json           what a row's recipe digest stands for (`RunSettings`)
public struct OutputFolder: Sendable {
    public let path: String

    /// Makes what is missing of it.
    /// - Throws: `FileError` where that cannot be, and for a folder that keeps files of runs by kind, as was done once.
    public init(_ path: String) throws {
        self.path = path
        try refuseFilesByKind()
        for folder in [path, runFolders] + ["checkpoints", "recipes"].map({ "\(path)/\($0)" }) { try makeFolder(folder) }
    }

    /// The folder of the first rank, seen from another, which neither makes it nor looks into it.
    public init(ofFirstRank path: String) { self.path = path }

    /// An existing folder, to be read.
    public init(existing path: String) throws {
        self.path = path
        try refuseFilesByKind()
        guard FileManager.default.fileExists(atPath: runs) else {
            throw FileError("\(path) holds no runs.csv: nothing was run with --out \(path)")
        }
    }

    public var runs: String { "\(path)/runs.csv" }
    public var page: String { "\(path)/\(ResultsPage.name)" }
    func checkpoint(_ run: String) -> String { "\(path)/checkpoints/\(run).safetensors" }
    var runFolders: String { "\(path)/runs" }
    func folder(of run: String) -> String { "\(runFolders)/\(run)" }
    func curve(_ run: String) -> String { "\(folder(of: run))/curve.csv" }
    func diagnostics(_ run: String) -> String { "\(folder(of: run))/diagnostics.csv" }
    public func correct(_ run: String) -> String { "\(folder(of: run))/correct.txt" }
    func recipe(_ digest: String) -> String { "\(path)/recipes/\(digest).json" }

    /// Else curves and outcomes would seem to be missing.
    private func refuseFilesByKind() throws {
        for kind in ["curves", "correct", "diagnostics"] where FileManager.default.fileExists(atPath: "\(path)/\(kind)") {
            throw FileError(
                "\(path) has a folder \(kind): expected each run's files in \(path)/runs/RUN, where they are written now; "
                    + "Experiments/one-folder-a-run.sh \(path) moves them there")
        }
    }

    func keep(_ settings: RunSettings) throws {
        let path = recipe(settings.digest)
        if !FileManager.default.fileExists(atPath: path) { try writeAtomically(Data(settings.text.utf8), to: path) }
    }

    /// In which settings those of the digest differ, in words.
    func changes(to settings: RunSettings, from digest: String) -> String {
        guard FileManager.default.fileExists(atPath: recipe(digest)) else {
            return "which settings changed is not known: there is no \(recipe(digest))"
        }
        do { return try settings.changes(from: RunSettings(contentsOf: recipe(digest))).joined(separator: "; ") } catch {
            return "\(error)"
        }
    }

    private func lock(_ run: String) -> String { "\(path)/checkpoints/\(run).lock" }

    /// Whoever trains the run now, in this process or another.
    func trainer(of run: String) -> String? { holder(ofLock: lock(run)) }

    /// Runs `body` while no other process can train the run.
    /// - Throws: `FileError` when another process trains it; what `body` throws.
    func locked(_ run: RunDescription, _ body: () throws -> Void) throws {
        try withLock(file: lock(run.name), refusal: { Self.refusal(run, by: $0) }, body)
    }

    static func refusal(_ run: RunDescription, by holder: String) -> String {
        "\(run.name) is being trained by \(holder): wait for its end, or choose another --out"
    }

    func hasCheckpoint(_ run: RunDescription) -> Bool { hasCheckpoint(run.name) }
    func hasCheckpoint(_ run: String) -> Bool { FileManager.default.fileExists(atPath: checkpoint(run)) }

    /// Takes a run's checkpoint out of the way, as `NAME.safetensors.other`.
    func setAside(_ run: String) throws {
        let (path, other) = (checkpoint(run), checkpoint(run) + ".other")
        guard rename(path, other) == 0 else { throw FileError("cannot rename \(path): \(systemReason())") }
    }

    /// - Throws: `FileError` naming the row and column that are not what a run writes.
    public func rows() throws -> [RunRow] { FileManager.default.fileExists(atPath: runs) ? try RunRow.read(from: runs) : [] }

    /// Epochs of an earlier session keep the commit and the command that made them.
    func write(_ curve: [EpochRecord], of planned: PlannedRun, _ invocation: Invocation) throws {
        let run = planned.description, recipe = planned.settings.digest
        // ImageNet's second measure, and what its files may lack.
        let isFromFiles = run.recipe.imageSize != nil, hasChanges = curve.contains { $0.integerChanges != nil }
        let header =
            [
                "run", "recipe_digest", "seed", "epoch", "rate", "train_loss", "train_top1", "test_loss", "test_top1", "n_test", "seconds"
            ] + (hasChanges ? ["integer_changes"] : []) + ["commit", "how"] + (isFromFiles ? ["test_top5", "replaced_images"] : [])
        let rows = curve.map { record in
            let more = isFromFiles ? [record.testTop5.map { decimal($0, 4) } ?? "", "\(record.replaced ?? 0)"] : []
            let changes = hasChanges ? [record.integerChanges.map { decimal($0, 6) } ?? ""] : []
            let measured = [
                run.name, recipe, "\(run.seed)", "\(record.epoch)", "\(record.learningRate)", decimal(record.trainLoss, 6),
                decimal(record.trainTop1, 4), decimal(record.testLoss, 6), decimal(record.testTop1, 4), "\(record.testCount)",
                decimal(record.seconds, 1)
            ]
            return measured + changes + [invocation.commit, invocation.command] + more
        }
        let (path, table) = (self.curve(run.name), CSVTable(header: header, rows: rows))
        let earlier = (try? CSVTable(contentsOf: path)) ?? table
        try makeFolder(folder(of: run.name))
        try table.keeping(["commit", "how"], of: earlier).write(to: path)
    }

    /// Top-1 in percent on the test images by epoch; nil where the run diverged, and where the curve is missing or not whole.
    /// - Throws: `FileError` when it ends at another accuracy than the run's.
    public func validation(_ run: RunRow) throws -> [Int: Double]? {
        guard let final = run.top1Final, FileManager.default.fileExists(atPath: curve(run.name)) else { return nil }
        let table = try CSVTable(contentsOf: curve(run.name))
        guard ["epoch", "test_top1"].allSatisfy(table.header.contains) else {
            throw FileError("\(curve(run.name)): expected the columns epoch and test_top1")
        }
        let points = Self.accuracies(table)
        guard points.map(\.epoch) == Array(1...max(1, run.epochs)), let last = points.last?.top1 else { return nil }
        guard abs(last - final) < 1e-4 else {
            throw FileError("\(curve(run.name)) ends at \(last) %, but \(runs) has \(final) %: they are not of the same run")
        }
        return Dictionary(uniqueKeysWithValues: points.map { ($0.epoch, $0.top1) })
    }

    /// Those that a recipe may have; others are a damaged file's.
    static let epochs = 1...100_000

    /// Epochs and top-1 in percent on the test images, of a learning curve, as far as they are possible ones.
    static func accuracies(_ curve: CSVTable) -> [(epoch: Int, top1: Double)] {
        curve.rows.indices.compactMap { row in
            guard let epoch = Int(curve[row, "epoch"]), let top1 = Double(curve[row, "test_top1"]) else { return nil }
            return Self.epochs.contains(epoch) && (0...100).contains(top1) ? (epoch, top1) : nil
        }
    }

    /// Which test images the run gets right; nil where that was not kept.
    public func outcomes(_ run: RunRow) throws -> ImageOutcomes? {
        FileManager.default.fileExists(atPath: correct(run.name)) ? try ImageOutcomes(contentsOf: correct(run.name), of: run) : nil
    }

    /// - Returns: the file.
    @discardableResult
    func write(_ outcomes: ImageOutcomes, of run: String) throws -> String {
        try makeFolder(folder(of: run))
        try outcomes.write(to: correct(run))
        return correct(run)
    }

    private func decimal(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
}
