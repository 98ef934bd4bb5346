// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Files
import Foundation
import Reporting

/// Records seeds one by one. `recording-DATASET-PRECISION.csv` holds them until all are there; then they take their place in
/// `seeds.csv`, and `intervals.csv` follows. Processes may record different data sets or precisions at the same time.
public struct RegressionRecorder {
    public static let standardSeeds = 24

    private let runner: RegressionRunner
    private let folder: String

    /// - Parameters:
    ///   - runner: trains the plan's runs.
    ///   - folder: of `seeds.csv`, `intervals.csv` made from it, and `digests.csv`, the bits of runs in s16.
    public init(_ runner: RegressionRunner, folder: String) { (self.runner, self.folder) = (runner, folder) }

    private var file: String { "\(folder)/seeds.csv" }
    private var statistics: [String] { runner.plan.statistics }

    /// - Parameters:
    ///   - images: to train on.
    ///   - precision: of the training.
    ///   - seeds: to record, each once.
    ///   - resume: go on with a recording that was stopped.
    /// - Returns: whether all seeds are there; false when somebody asked to stop.
    /// - Throws: `FileError` when an unfinished recording is in the way or belongs to another state of the code, or when a run
    ///   diverges.
    public func record(_ images: ImageDataset, _ precision: Precision, seeds: [UInt64], resume: Bool) throws -> Bool {
        try makeFolder(folder)
        let partial = "\(folder)/recording-\(images.name.lowercased())-\(precision.rawValue).csv"
        func refusal(_ holder: String) -> String { "\(partial) is being recorded by \(holder): wait for its end" }
        return try withLock(file: partial + ".lock", refusal: refusal) {
            try record(images, precision, seeds: seeds, resume: resume, in: partial)
        }
    }

    private func record(_ images: ImageDataset, _ precision: Precision, seeds: [UInt64], resume: Bool, in partial: String) throws -> Bool {
        // What is begun is the last to go, so what stands there is not done.
        if resume, !FileManager.default.fileExists(atPath: partial), try isRecorded(images, precision, seeds: seeds) {
            note("\(images.name) in \(precision.rawValue): recorded before")
            return true
        }
        var recording = try unfinished(partial, images, resume: resume) ?? RegressionSamples(statistics: statistics)
        let done = Set(recording.samples.map(\.seed))
        for seed in seeds where !done.contains(seed) {
            guard let sample = try runner.sample(images, precision, seed: seed) else { return stopped(partial) }
            guard sample.values.allSatisfy(\.isFinite) else {
                throw FileError(
                    "\(images.name) in \(precision.rawValue), seed \(seed), has values that are no numbers: nothing to expect from it")
            }
            recording.append(sample)
            try recording.table.write(to: partial)
        }
        let digests = precision == .s16 ? try RegressionDigests(runner, images) : nil
        if precision == .s16 && digests == nil { return stopped(partial) }
        try withLock(on: folder) {
            try put(recording)
            try digests?.record(in: "\(folder)/digests.csv")
        }
        try FileManager.default.removeItem(atPath: partial)
        return true
    }

    private func stopped(_ partial: String) -> Bool {
        let isBegun = FileManager.default.fileExists(atPath: partial)
        note(
            isBegun
                ? "stopped; the finished seeds are in \(partial): the same command with --resume goes on" : "stopped before the first seed")
        return false
    }

    private func put(_ recording: RegressionSamples) throws {
        let old = FileManager.default.fileExists(atPath: file) ? try RegressionSamples(contentsOf: file) : recording
        // Of another plan: its numbers mean something else, and its columns may be others.
        let kept = RegressionSamples(
            statistics: statistics,
            samples: old.statistics == statistics ? old.samples.filter { $0.provenance.recipeDigest == runner.plan.digest } : [])
        try kept.replacing(by: recording).table.write(to: file)
        // From the file, so that they belong to the digits that it holds.
        let test = RegressionTest(statistics: statistics.count)
        try RegressionSamples(contentsOf: file).intervals(test, newSeeds: RegressionCheck.standardSeeds).write(
            to: "\(folder)/intervals.csv")
    }

    /// Whether the seeds, and no others, stand recorded by this commit on these images.
    private func isRecorded(_ images: ImageDataset, _ precision: Precision, seeds: [UInt64]) throws -> Bool {
        guard FileManager.default.fileExists(atPath: file) else { return false }
        let samples = try RegressionSamples(contentsOf: file)
        let group = samples.samples.filter { $0.group == RegressionGroup(images.id, precision) }
        return samples.statistics == statistics && group.map(\.seed).sorted() == seeds.sorted()
            && group.allSatisfy(ours(on: images.checksum))
    }

    /// Whether a sample is of this commit, plan and number of threads, on images of this checksum.
    private func ours(on checksum: String) -> (RegressionSample) -> Bool {
        let (commit, digest, threads) = (runner.invocation.commit, runner.plan.digest, runner.threads)
        return {
            $0.provenance.commit == commit && $0.provenance.recipeDigest == digest && $0.provenance.threads == threads
                && $0.dataChecksum == checksum
        }
    }

    private func unfinished(_ partial: String, _ images: ImageDataset, resume: Bool) throws -> RegressionSamples? {
        guard FileManager.default.fileExists(atPath: partial) else { return nil }
        guard resume else { throw FileError("\(partial) holds a recording that was stopped: add --resume to go on with it, or delete it") }
        let recording = try RegressionSamples(contentsOf: partial), checksum = images.checksum
        guard recording.statistics == statistics, recording.samples.allSatisfy(ours(on: checksum)) else {
            throw FileError(
                "\(partial) is of another commit, recipe, number of threads or other images than this (\(runner.invocation.commit), "
                    + "\(runner.plan.digest), \(runner.threads), \(checksum)): delete it to start again"
            )
        }
        return recording
    }
}
