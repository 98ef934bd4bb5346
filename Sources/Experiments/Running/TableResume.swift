// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Files
import Foundation
import Reporting
import Training

/// What is in the folder already, and whether it is what would be made now.
extension TableRunner {
    /// A run that was begun in the arithmetic of another processor is not begun anew in this one's, unless that was asked for.
    func expectChosen(_ run: PlannedRun, in rows: [RunRow]) throws {
        let isFloat = run.condition.method == .float
        guard !(isFloat ? isChosen.floatPrecision : isChosen.precision), !output.hasCheckpoint(run.description) else { return }
        for precision in Precision.allCases where precision != run.condition.precision {
            var condition = run.condition
            condition.precision = precision
            let name = condition.runName(seed: run.description.seed), option = isFloat ? "--float-precision" : "--precision"
            guard rows.contains(where: { $0.name == name && $0.provenance.dataOrigin == origin }) || output.hasCheckpoint(name) else {
                continue
            }
            throw FileError(
                "\(output.path) holds \(name), but here \(run.condition.precision.rawValue) is the default: add \(option) "
                    + "\(precision.rawValue) to go on with it, or \(option) \(run.condition.precision.rawValue) to train it anew in that")
        }
    }

    /// Whether there is nothing to train, and says why.
    func isDone(_ run: PlannedRun, isStartedFrom: Bool) throws -> Bool {
        let rows = try output.rows(), name = run.description.name
        if let row = try endedRow(run, in: rows, isStartedFrom: isStartedFrom) {
            let end =
                row.divergedEpoch.map { "diverged before, in epoch \($0)" }
                ?? String(format: "finished before, %.2f %%", row.top1Final ?? 0)
            note("\(name): \(end)")
            return true
        }
        guard let before = run.start.run else { return false }
        let isDiverged = recorded(before, in: rows)?.divergedEpoch != nil
        guard isDiverged || !output.hasCheckpoint(before) else { return false }
        note("\(name): not run, since \(before.name), from which it starts, \(isDiverged ? "diverged" : "was not")")
        return true
    }

    /// The row of a run that has one and, where others start from it, the checkpoint of its end. Without that it is trained again, for
    /// the checkpoint alone: what is recorded stays.
    /// - Throws: `FileError` when the checkpoint's end is not the row's.
    func endedRow(_ run: PlannedRun, in rows: [RunRow], isStartedFrom: Bool) throws -> RunRow? {
        guard let row = try finishedRow(run, in: rows) else { return nil }
        guard isStartedFrom, row.divergedEpoch == nil else { return row }
        guard output.hasCheckpoint(run.description) else { return nil }
        let state = try Checkpoint(path: output.checkpoint(row.name)).state
        guard state.epoch == run.description.recipe.epochs, let last = state.curve.last else { return nil }
        try expectSame(run, row, last.testHits)
        return row
    }

    /// - Throws: `FileError` when a run that was trained again did not come to what its row, and the file beside it, say.
    func expectSame(_ run: PlannedRun, _ row: RunRow, _ hits: Int, _ outcomes: ImageOutcomes? = nil) throws {
        guard hits == row.correctFinal else { throw otherNetwork(run, row, "it got \(hits) of \(row.testImages) test images right") }
        guard let outcomes, FileManager.default.fileExists(atPath: output.correct(row.name)) else { return }
        let differing = outcomes.differing(from: try ImageOutcomes(contentsOf: output.correct(row.name), of: row))
        guard differing == 0 else { throw otherNetwork(run, row, "\(differing) test images come out otherwise") }
    }

    func otherNetwork(_ run: PlannedRun, _ row: RunRow, _ found: String) -> FileError {
        FileError(
            "\(row.name) was trained again, as its checkpoint was not there, and \(found), where its row has "
                + "\(row.correctFinal ?? 0): another processor, or other threads than its \(row.provenance.threads), make other bits. Runs "
                + "from it would stand beside those of another network: use another --out, or bring the first checkpoint back")
    }

    /// - Throws: `FileError` when the folder has the run on other files, which is another run under the same names of files, or a run that
    ///   would stand beside it on other images under the data set's name.
    func expectOneDataset(_ run: PlannedRun, in rows: [RunRow]) throws {
        func found(_ other: RunRow, _ difference: String) -> FileError {
            FileError("\(output.path) holds \(other.name) \(difference): choose another --out")
        }
        for other in rows where other.name == run.description.name {
            guard other.condition.dataset == run.condition.dataset else {
                throw found(other, "of \(other.condition.dataset), here they are of \(run.condition.dataset), with the same names of files")
            }
            guard other.provenance.dataOrigin == origin else {
                throw found(other, "on \(other.provenance.dataOrigin.rawValue) files, here they are \(origin.rawValue)")
            }
        }
        let beside = rows.filter {
            $0.condition.dataset == run.condition.dataset && $0.condition.runProtocol == run.condition.runProtocol
                && $0.provenance.dataOrigin == origin
        }
        for other in beside where other.isOnOtherImages(than: data) {
            throw found(
                other,
                "on other images than these, though both say \(dataset.name) (data_crc32 \(other.provenance.data ?? ""), here "
                    + "\(data ?? ""))")
        }
    }

    /// The row of this run among those of the folder.
    /// - Throws: `RecipeError` when it was computed with another recipe.
    func finishedRow(_ run: PlannedRun, in rows: [RunRow]) throws -> RunRow? {
        let row = recorded(run.description, in: rows)
        guard let row, row.provenance.recipeDigest != run.settings.digest else { return row }
        throw RecipeError(
            "\(output.runs) holds \(row.name) with recipe \(row.provenance.recipeDigest), now it is \(run.settings.digest) "
                + "(\(output.changes(to: run.settings, from: row.provenance.recipeDigest))): use another --out, or delete the row")
    }

    func recorded(_ run: RunDescription, in rows: [RunRow]) -> RunRow? {
        rows.first { $0.name == run.name && $0.provenance.dataOrigin == origin }
    }
}
