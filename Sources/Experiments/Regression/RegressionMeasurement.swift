// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Datasets
import Files
import Foundation
import Training

extension RegressionPlan {
    /// Trains all runs of the plan with one seed.
    ///
    /// - Parameters:
    ///   - images: as `images(of:)` gives them.
    ///   - seed: of all runs.
    ///   - precision: of the training.
    ///   - threads: 1 or more that compute.
    ///   - stop: ends the training early.
    ///   - observer: makes one for each run from the run's name and recipe.
    /// - Returns: the values of `statistics` in their order, or `nil` when somebody asked to stop.
    /// - Throws: `DivergenceError` when a loss is not finite; `FileError` when the temporary folder cannot be used.
    public func measure<Observer: TrainingObserver>(
        _ images: ImageDataset, seed: UInt64, precision: Precision, threads: Int, stop: StopRequest,
        observer: (Run) -> Observer
    ) throws -> [Double]? {
        let folder = FileManager.default.temporaryDirectory.path + "/bcgd-regress-\(UUID().uuidString)"
        return try withTemporaryFolder(folder) {
            try measure(
                images, seed: seed, precision: precision, threads: threads, stop: stop, float: "\(folder)/float.safetensors", observer)
        }
    }

    /// - Parameter path: for the checkpoint of the float run.
    private func measure<Observer: TrainingObserver>(
        _ images: ImageDataset, seed: UInt64, precision: Precision, threads: Int, stop: StopRequest, float path: String,
        _ observer: (Run) -> Observer
    ) throws -> [Double]? {
        var start: RunDescription?
        var values: [Double] = []
        for run in runs {
            let description = RunDescription(
                name: run.name, dataset: images.name, recipe: run.recipe, seed: seed, warmStart: start, precision: precision)
            let trainer = try Trainer(description, dataset: images, threads: threads)
            if let start { try trainer.warmStart(from: try Checkpoint(path: path), of: start) }
            let before = NetworkSnapshot(trainer.network)
            var observer = observer(run)
            try trainer.train(checkpoint: start == nil ? path : nil, stop: stop, observer: &observer)
            guard trainer.isFinished, let last = trainer.state.curve.last else { return nil }
            let change = before.change(to: NetworkSnapshot(trainer.network))
            values += RegressionStatistic.all(of: run.recipe).map { $0.value(last, change) }
            if start == nil { start = description }
        }
        return values
    }
}

/// The learned values of a network at one moment.
private struct NetworkSnapshot {
    var weights: [[Float]] = []
    /// Of the quantized weights.
    var integerWeights: [[Int8]] = []
    var logStepSizes: [Double] = []
    /// Σ(w_f − w_q)², Σw_f² and Σm² over the quantized weights, m the momentum.
    var (residual, norm, momentum) = (0.0, 0.0, 0.0)

    init(_ network: Network) {
        for parameter in network.parameters {
            let values = parameter.value.values
            switch parameter.kind {
            case .stepSize: logStepSizes.append(log(Double(values[0])))
            case .affine: break
            case .weight:
                weights.append(values)
                guard let pointer = parameter.integerWeights else { continue }
                integerWeights.append(Array(UnsafeBufferPointer(start: pointer, count: values.count)))
                let own = parameter.projectionResidual
                (residual, norm) = (residual + own.residual, norm + own.norm)
                momentum += parameter.momentum.values.reduce(0) { $0 + Double($1) * Double($1) }
            }
        }
    }

    func change(to end: NetworkSnapshot) -> NetworkChange {
        let (old, new) = (weights.joined(), end.weights.joined())
        let moved = zip(old, new).reduce(0.0) { $0 + Double($1.1 - $1.0) * Double($1.1 - $1.0) }
        let size = old.reduce(0.0) { $0 + Double($1) * Double($1) }
        let layers = Double(logStepSizes.count)
        return NetworkChange(
            weightMovement: (moved / size).squareRoot(), weightDistance: (end.residual / end.norm).squareRoot(),
            distanceInMomenta: (end.residual / end.momentum).squareRoot(),
            integerWeightsChanged: Double(zip(integerWeights.joined(), end.integerWeights.joined()).count { $0 != $1 })
                / Double(integerWeights.joined().count),
            stepSize: exp(end.logStepSizes.reduce(0, +) / layers),
            stepSizeDrift: zip(logStepSizes, end.logStepSizes).reduce(0.0) { $0 + $1.1 - $1.0 } / layers)
    }
}

/// What a run has changed, as `RegressionStatistic` defines it; not numbers where the network has nothing of the kind.
private struct NetworkChange {
    let weightMovement, weightDistance, distanceInMomenta, integerWeightsChanged, stepSize, stepSizeDrift: Double
}

extension RegressionStatistic {
    fileprivate func value(_ last: EpochRecord, _ change: NetworkChange) -> Double {
        switch self {
        case .trainLoss: last.trainLoss
        case .testLoss: last.testLoss
        case .testTop1: last.testTop1
        case .weightMovement: change.weightMovement
        case .weightDistance: change.weightDistance
        case .distanceInSteps: change.distanceInMomenta / last.learningRate
        case .integerWeightsChanged: change.integerWeightsChanged
        case .stepSize: change.stepSize
        case .stepSizeDrift: change.stepSizeDrift
        }
    }
}
