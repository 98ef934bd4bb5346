// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Collectives
import Datasets
import Files
import Foundation
import Reporting
import Training

/// Runs cells one after the other and keeps the folder's tables and figures up to date after each.
///
/// With several ranks, the first one alone reads and writes the folder and shows progress; it tells the others what to train.
public struct TableRunner {
    public let cells: ExperimentCells
    public let dataset: any Dataset
    public let threads: ComputeThreads
    /// Threads that prepare images.
    public let dataWorkers: Int
    public let precision: Precision
    /// Of float runs.
    public let floatPrecision: Precision
    /// Whether somebody asked for each, or the processor decides.
    let isChosen: (precision: Bool, floatPrecision: Bool)
    /// `nil`: float runs start from random weights.
    public let pretrained: PretrainedStart?
    public let output: OutputFolder
    public let experiments: ExperimentFolder
    public let invocation: Invocation
    public let watching: Watching
    public let stop: StopRequest
    /// The first run that is not finished after so many steps is saved, and ends the table; `nil`: all are trained to their end.
    public let stepLimit: Int?
    public let collective: any Collective
    private let reported: ReportedValues
    /// `Dataset.fingerprint`.
    let data: String?
    /// What the tables show beyond the settings of every row.
    private let shown: [Recipe.Key]

    /// - Parameter precision: `nil` for the processor's best.
    /// - Throws: `FileError` or `RecipeError` when the folder's tables or published numbers cannot be read.
    public init(
        cells: ExperimentCells, dataset: any Dataset, threads: ComputeThreads, dataWorkers: Int = 1, precision: Precision?,
        floatPrecision: Precision? = nil, pretrained: PretrainedStart? = nil, output: OutputFolder, experiments: ExperimentFolder,
        invocation: Invocation,
        watching: Watching = Watching(),
        stop: StopRequest, stepLimit: Int? = nil, collective: any Collective = Alone()
    ) throws {
        (self.cells, self.dataset, self.threads, self.dataWorkers) = (cells, dataset, threads, dataWorkers)
        self.precision = precision ?? .best
        self.floatPrecision = floatPrecision ?? self.precision
        isChosen = (precision != nil, floatPrecision ?? precision != nil)
        (self.pretrained, self.output, self.experiments) = (pretrained, output, experiments)
        (self.invocation, self.watching, self.stop, self.stepLimit, self.collective) = (invocation, watching, stop, stepLimit, collective)
        data = dataset.fingerprint
        (reported, shown) = (try experiments.reported(), try experiments.shownSettings(Subject(dataset.id)))
    }

    /// - Parameters:
    ///   - selected: cells, each after the run that it starts from.
    ///   - seeds: each cell is trained with each of them.
    ///   - resume: without it, anything that the folder already holds of these runs is an error.
    /// - Throws: `FileError`, `RecipeError` and `CheckpointError` for what does not fit together; what training throws, but
    ///   `DivergenceError`, which is a result.
    public func run(_ selected: [ExperimentCell], seeds: [UInt64], resume: Bool) throws {
        guard isLabel(dataset.name), !dataset.id.slug.isEmpty else {
            throw FileError(
                "a data set's name is letters, digits, blanks and -_.,()+&, with one of a to z or 0 to 9 for names of files, not "
                    + "\"\(dataset.name)\"")
        }
        let runs = try seeds.flatMap { seed in
            try selected.map {
                try PlannedRun($0, seed: seed, cells: cells, pretrained: pretrained) { cell in
                    Condition(
                        cell, on: dataset.id.validating(cell.recipe.validationImages), cells.runProtocol,
                        cell.isFloat ? floatPrecision : precision, showing: shown)
                }
            }
        }
        // Now, as the runs that they start from would take their hours first.
        for cell in selected {
            do { try cell.recipe.expectNetwork(on: dataset) } catch let error as RecipeError {
                throw RecipeError("\(cell.name): \(error)", key: error.key)
            }
        }
        guard collective.isFirst else { return try follow(runs) }
        // Now, as the rows, the tables and the figures ask for these only after hours of training.
        _ = try Gnuplot()
        let rows = try output.rows()
        if !rows.isEmpty { _ = try ResultFiles(output, experiments: experiments) }
        for run in runs { try expectOneDataset(run, in: rows) }
        let finished = try runs.map { try finishedRow($0, in: rows) }
        // Now, and not after hours of training other runs.
        for (run, row) in zip(runs, finished) where row == nil {
            if let holder = output.trainer(of: run.description.name) { throw FileError(OutputFolder.refusal(run.description, by: holder)) }
        }
        for (run, row) in zip(runs, finished) where !resume && (row != nil || output.hasCheckpoint(run.description)) {
            throw FileError(
                "\(output.path) already holds \(run.description.name): add --resume to keep it and go on, or choose another --out")
        }
        for (run, row) in zip(runs, finished) where resume && row == nil { try expectChosen(run, in: rows) }
        for run in runs { try output.keep(run.settings) }
        let startedFrom = zip(runs, finished).filter { $1 == nil }.compactMap(\.0.start.run)
        var isFirst = true
        for (index, run) in runs.enumerated() where !stop.isMade {
            let isStartedFrom = startedFrom.contains(run.description)
            if try isDone(run, isStartedFrom: isStartedFrom) { continue }
            try output.locked(run.description) {
                // Another process may have finished it since.
                guard try !isDone(run, isStartedFrom: isStartedFrom) else { return }
                _ = try next(index)
                try train(run, isFirst: isFirst)
                isFirst = false
            }
            // Others may start from what the limit ended.
            if stepLimit != nil, try endedRow(run, in: output.rows(), isStartedFrom: isStartedFrom) == nil { break }
        }
        _ = try next(nil)
        try writeTables()
    }

    /// What the first rank says is next, of the planned runs; nil for the end.
    private func next(_ index: Int?) throws -> Int? { try collective.fromFirst { index } }

    /// The other ranks' part.
    private func follow(_ runs: [PlannedRun]) throws {
        while let index = try next(nil) { try train(runs[index]) }
    }

    private func tell(_ line: String) {
        if collective.isFirst { note(line) }
    }

    private func checkpoint(of run: RunDescription) throws -> Checkpoint? {
        guard try collective.fromFirst({ output.hasCheckpoint(run) }) else { return nil }
        return try Checkpoint(path: output.checkpoint(run.name), for: collective)
    }

    /// - Parameter isFirst: of this call's; later ones do without a log that cannot be opened.
    private func train(_ run: PlannedRun, isFirst: Bool = false) throws {
        let (name, path) = (run.description.name, output.checkpoint(run.description.name))
        let checkpoint = try checkpoint(of: run.description)
        let trainer = try Trainer(
            run.description, dataset: dataset, threads: try collective.fromFirst { threads.count(goingOnFrom: checkpoint) },
            dataWorkers: dataWorkers,
            collective: collective)
        switch run.start {
        case .fileAsItIs(let file): return try evaluate(file, run, trainer)
        case _ where checkpoint != nil:
            try checkpoint.map(trainer.restore)
            let place = "going on from epoch \(trainer.state.epoch + 1), batch \(trainer.state.batch + 1)"
            tell("\(name): \(trainer.isFinished ? "trained before, to be recorded" : place)")
        case .run(let before):
            try trainer.warmStart(from: try Checkpoint(path: output.checkpoint(before.name), for: collective), of: before)
            tell("\(name): from the weights of \(before.name)")
        case .file(let file):
            try trainer.warmStart(from: file.weights, classes: try file.classes(for: dataset))
            tell("\(name): from the weights in \(file.path)")
        case .scratch: tell("\(name): from the start")
        }
        guard collective.isFirst else {
            var quiet = QuietObserver()
            do { try trainer.train(checkpoint: path, stop: stop, stepLimit: stepLimit ?? .max, observer: &quiet) } catch is DivergenceError
            { return }
            if trainer.isFinished { _ = try trainer.finalCorrect() }
            return
        }
        let recorded = recorded(run.description, in: try output.rows())
        var observer = RunObserver(
            run, trainer, output: output, invocation, isRecorded: recorded != nil,
            watch: try RunWatch(
                watching, trainer, recipe: run.settings.digest, output: output, commit: invocation.commit, needsLog: isFirst))
        defer { observer.close() }
        let before = trainer.state.seconds
        do {
            try trainer.train(checkpoint: path, stop: stop, stepLimit: stepLimit ?? .max, observer: &observer)
        } catch let error as DivergenceError {
            observer.close()
            note("\(name): \(error)")
            if let recorded { throw otherNetwork(run, recorded, "it diverged") }
            return try record(row(run, trainer, last: nil), nil)
        }
        observer.close()
        note("\(name): \(facts(trainer, seconds: trainer.state.seconds - before))")
        guard trainer.isFinished, let last = trainer.state.curve.last else { return }
        observer.finishedRun(trainer.state)
        let correct = try trainer.finalCorrect()
        if let recorded {
            do { return try expectSame(run, recorded, last.testHits, ImageOutcomes(correct)) } catch {
                try output.setAside(name)  // else the next call would start from it
                throw error
            }
        }
        // Of a run that came here finished no epoch was closed.
        try output.write(trainer.state.curve, of: run, invocation)
        try record(row(run, trainer, last: last), correct)
    }

    /// - Parameter last: the record of the last epoch; nil for a run that diverged.
    private func row(_ run: PlannedRun, _ trainer: Trainer, last: EpochRecord?) -> RunRow {
        RunRow(
            condition: run.condition, seed: run.description.seed, epochs: trainer.state.epoch, testImages: trainer.testImages,
            correctFinal: last?.testHits,
            correctBest: last.flatMap { _ in trainer.state.curve.map(\.testHits).max() }, trainLoss: last?.trainLoss,
            top5Final: run.condition.dataset.known == .imageNet ? last?.testTop5Hits : nil,
            reportedIn: reported, provenance: provenance(run, trainer, seconds: trainer.state.seconds))
    }

    /// The row of a float network that was trained elsewhere: no epoch here.
    private func evaluate(_ file: PretrainedFile, _ run: PlannedRun, _ trainer: Trainer) throws {
        tell("\(run.description.name): the weights in \(file.path) as they are")
        try trainer.warmStart(from: file.weights, classes: try file.classes(for: dataset))
        let start = ContinuousClock.now
        let (total, correct) = try trainer.evaluate()
        try record(
            RunRow(
                condition: run.condition, seed: run.description.seed, epochs: 0, testImages: total.count, correctFinal: total.top1,
                correctBest: nil,
                top5Final: total.top5, reportedIn: reported,
                provenance: provenance(run, trainer, seconds: (ContinuousClock.now - start) / .seconds(1))),
            correct)
    }

    private func record(_ row: RunRow, _ correct: [Bool]?) throws {
        guard collective.isFirst else { return }
        if let correct { try output.write(ImageOutcomes(correct), of: row.name) }
        try RunRow.record([row], in: output.runs)
        // What is only drawn ends no training; at the table's end it is an error.
        do { try writeTables() } catch { note("\(row.name) is recorded, but not in the tables: \(error)") }
    }

    /// What a session of training took.
    private func facts(_ trainer: Trainer, seconds: Double) -> String {
        let (work, held) = trainer.loading
        let base = String(
            format: "%.0f s of training, of which %.1f s waiting for images; peak memory %.0f MB", seconds, trainer.waitSeconds,
            SystemFacts.peakMegabytes)
        guard work.bytes > 0, work.images > 0 else { return base }
        let rate = Double(work.images) / work.seconds * Double(dataWorkers)
        return base
            + String(
                format: "; loaded %d images (%.1f MB of files, %d replaced), %.2f ms each, so up to %.0f a second; %.0f MB of batches held",
                work.images, Double(work.bytes) / 1e6, work.replaced, 1000 * work.seconds / Double(work.images), rate, Double(held) / 1e6)
    }

    var origin: RunProvenance.DataOrigin { .init(dataset) }

    private func provenance(_ run: PlannedRun, _ trainer: Trainer, seconds: Double) -> RunProvenance {
        RunProvenance(
            seconds: seconds, threads: trainer.threads, commit: invocation.commit, recipe: run.recipeName,
            recipeDigest: run.settings.digest,
            dataOrigin: origin, data: data, how: (trainer.state.engine.map { "engine: \(oneLine($0)); then " } ?? "") + invocation.command)
    }

    private func writeTables() throws {
        guard try !output.rows().isEmpty else { return try ResultsPage.writeStopped(output) }
        try withLock(on: output.path) { try ResultFiles(output, experiments: experiments).write() }
    }
}
