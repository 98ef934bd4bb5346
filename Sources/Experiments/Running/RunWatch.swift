// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Training

/// Takes a run's numbers epoch by epoch, for a program that shows them.
public protocol ScalarLog: AnyObject {
    /// The last epoch that earlier sessions gave it; nil for none.
    var lastStep: Int? { get }
    /// - Parameters:
    ///   - step: that the values belong to.
    ///   - scalars: by their tags, such as `loss/train`.
    func append(step: Int, _ scalars: [(tag: String, value: Double)]) throws
}

/// What is watched of trainings besides their learning curves. None of it changes what they compute.
public struct Watching: Sendable {
    /// Whether runs with quantized layers keep `DiagnosticsTable`s.
    public var diagnostics: Bool
    /// Makes the log of a run, given its name.
    public var log: (@Sendable (_ run: String) throws -> any ScalarLog)?

    public init(diagnostics: Bool = false, log: (@Sendable (_ run: String) throws -> any ScalarLog)? = nil) {
        (self.diagnostics, self.log) = (diagnostics, log)
    }
}

/// The same of one run.
struct RunWatch {
    private let trainer: Trainer
    private let output: OutputFolder
    private let commit, recipe: String
    private let probe: ActivationProbe?
    private var log: (any ScalarLog)?
    private var logged: Int

    /// - Throws: `MemoryError` when there is no room for the network that looks at activations, `FileError` when the log is ahead of the
    ///   run.
    /// - Parameters:
    ///   - recipe: the digest of the run's settings.
    ///   - needsLog: whether a log that cannot be opened, or is ahead, is an error.
    init(_ watching: Watching, _ trainer: Trainer, recipe: String, output: OutputFolder, commit: String, needsLog: Bool) throws {
        let (name, isQuantized) = (trainer.run.name, trainer.network.graph.hasQuantizers)
        (self.trainer, self.output, self.commit, self.recipe) = (trainer, output, commit, recipe)
        probe = watching.diagnostics && isQuantized ? try ActivationProbe(trainer) : nil
        do {
            log = try watching.log?(name)
            if let last = log?.lastStep, last > trainer.state.epoch {
                throw FileError(
                    "the log of \(name) has \(last) epochs, but the run stands after epoch \(trainer.state.epoch): name another folder, or "
                        + "remove the one with its log")
            }
        } catch {
            guard !needsLog else { throw error }
            note("\(name) is not logged: \(error)")
            log = nil
        }
        logged = log?.lastStep ?? 0
        if probe != nil { try makeFolder(output.folder(of: name)) }
    }

    mutating func finishedEpoch(_ state: TrainingState) throws {
        guard probe != nil || log != nil else { return }
        let (activations, weights) = (try probe?.measure() ?? [], WeightDiagnostics.all(of: trainer.network))
        if let probe {
            try DiagnosticsTable.record(
                activations, weights, changes: trainer.layerChanges, images: probe.images, epoch: state.epoch, of: trainer.run,
                recipe: recipe,
                commit: commit,
                in: output.diagnostics(trainer.run.name))
        }
        append(state, last: layers(activations, weights))
    }

    /// Of a run that came here finished no epoch was, and the session before may have ended before its last one was logged.
    mutating func finishedRun(_ state: TrainingState) { append(state, last: []) }

    /// Also epochs of sessions that had no log.
    private mutating func append(_ state: TrainingState, last: [(tag: String, value: Double)]) {
        for record in state.curve where record.epoch > logged {
            do { try log?.append(step: record.epoch, scalars(record, of: state) + (record.epoch == state.epoch ? last : [])) } catch {
                // A log ends no training.
                note("\(trainer.run.name) is logged no longer: \(error)")
                log = nil
            }
            logged = record.epoch
        }
    }

    /// Of one epoch of the curve. Images a second are those trained on, the evaluation's time counted.
    private func scalars(_ record: EpochRecord, of state: TrainingState) -> [(tag: String, value: Double)] {
        let before = record.epoch > 1 ? state.curve[record.epoch - 2].seconds : 0
        return [
            ("loss/train", record.trainLoss), ("loss/test", record.testLoss), ("top1/train", record.trainTop1),
            ("top1/test", record.testTop1),
            ("rate", record.learningRate), ("images_per_second", Double(trainer.imagesPerEpoch) / max(record.seconds - before, 1e-9))
        ] + (record.integerChanges.map { [("weight_changes_percent", $0)] } ?? [])
    }

    private func layers(_ activations: [ActivationDiagnostics], _ weights: [WeightDiagnostics]) -> [(tag: String, value: Double)] {
        let stepSizes = trainer.network.parameters.filter { $0.kind == .stepSize && $0.value.count == 1 }
        return stepSizes.map { ("alpha/" + $0.name.replacing(".resolution", with: ""), Double($0.value.values[0])) }
            + weights.flatMap { layer in
                [("weight_zero/\(layer.layer)", layer.zero)] + (layer.distance.map { [("weight_distance/\(layer.layer)", $0)] } ?? [])
            }
            + activations.flatMap { [("saturated/\($0.layer)", $0.saturated), ("zero/\($0.layer)", $0.zero)] }
    }
}
