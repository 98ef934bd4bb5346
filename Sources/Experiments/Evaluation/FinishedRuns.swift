// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import Training

/// Which test images finished runs get right, from their checkpoints.
public struct FinishedRuns {
    private let output: OutputFolder
    private let threads: ComputeThreads
    private let dataWorkers: Int

    /// - Parameters:
    ///   - output: of the runs.
    ///   - threads: that evaluate.
    ///   - dataWorkers: threads that prepare images.
    public init(_ output: OutputFolder, threads: ComputeThreads, dataWorkers: Int) {
        (self.output, self.threads, self.dataWorkers) = (output, threads, dataWorkers)
    }

    /// Writes `runs/RUN/correct.txt`, RUN named after the checkpoint.
    /// - Throws: `CheckpointError` for a run that is not finished, or that comes to another number of images than it recorded; `FileError`
    ///   where the folder's row of that name has another number.
    /// - Returns: the file, and which images are right.
    public func evaluate(_ checkpoint: Checkpoint, on dataset: any Dataset) throws -> (file: String, outcomes: ImageOutcomes) {
        let trainer = try Trainer(
            checkpoint.description(), dataset: dataset, threads: threads.count(goingOnFrom: checkpoint), dataWorkers: dataWorkers)
        try trainer.restore(checkpoint)
        let outcomes = ImageOutcomes(try trainer.finalCorrect())
        let run = ((checkpoint.path as NSString).lastPathComponent as NSString).deletingPathExtension
        if let row = try output.rows().first(where: { $0.name == run }), row.correctFinal != outcomes.count {
            throw FileError(
                "\(checkpoint.path) gets \(outcomes.count) images right, but \(output.runs) has \(row.correctFinal ?? 0) for \(run): it is "
                    + "another run's; choose another --out")
        }
        return (try output.write(outcomes, of: run), outcomes)
    }
}
