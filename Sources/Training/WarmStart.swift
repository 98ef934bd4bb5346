// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Quantization

/// Where a run's first weights and step sizes come from, if not from its seed.
extension Trainer {
    /// Starts from a finished run: its weights and statistics, projected, and the step sizes of layers that had the same bits and
    /// quantizer; others, all of them from a float run, are set anew (METHOD.md part 2; `Recipe.StepSizeStart`).
    /// - Throws: `CheckpointError` for another run, or one that is not finished; `RecipeError` where batch norm has learned what this run's
    ///   recipe does not.
    public func warmStart(from checkpoint: Checkpoint, of before: RunDescription) throws {
        guard checkpoint.isOf(before), checkpoint.state.epoch == before.recipe.epochs else {
            throw CheckpointError(description: "\(checkpoint.path) is not the finished run \(before.name) with seed \(before.seed)")
        }
        try expectSameData(checkpoint)
        try checkpoint.warmStart(network)
        try expectPlainNorms(from: checkpoint.path)
        let kept =
            checkpoint.stepSizes(sameAsIn: network.graph) ?? Set(run.recipe.stepSizes(of: network.graph, sameAsIn: before.recipe))
        for parameter in network.parameters { parameter.isKeptByCalibration = kept.contains(parameter.name) }
        // Kept ones may lie beyond this run's limits.
        let areAllKept = network.parameters.allSatisfy { $0.kind != .stepSize || $0.isKeptByCalibration }
        if areAllKept { descent.limitStepSizes() } else { try calibrate() }
    }

    /// A run and those that it starts from see the same images.
    func expectSameData(_ checkpoint: Checkpoint) throws {
        guard !TrainingState.isSame(checkpoint.state.data, data) else { return }
        throw CheckpointError(
            description:
                "\(checkpoint.path) was trained on \(checkpoint.state.data ?? ""), now there are \(data): bring back the images and "
                + "class list of then, or start again in another --out")
    }

    /// Starts from weights that came in a file, as from a float run.
    /// - Parameters:
    ///   - weights: by the network's tensor names.
    ///   - rows: of the file's classifier, those that become this network's, where it has others; nil for all.
    public func warmStart(from weights: SafetensorsFile, classes rows: [Int]? = nil) throws {
        try network.takeWeights(from: rows.map { try weights.selectingClasses($0) } ?? weights)
        try expectPlainNorms(from: weights.path)
        try calibrate()
    }

    /// Where norms learn no scale and shift, they are 1 and 0 from the start, and not what another run has learned.
    func expectPlainNorms(from path: String) throws {
        for parameter in network.parameters where descent.fixed.contains(parameter.name) {
            let constant: Float = parameter.name.hasSuffix(".weight") ? 1 : 0
            guard let learned = parameter.value.values.first(where: { $0 != constant }) else { continue }
            throw RecipeError(
                "with batch_norm_affine: false \(parameter.name) stays \(Int(constant)), but \(path) holds \(learned) there: start from a "
                    + "run with that key too, or leave the key out", key: Recipe.Key.batchNormAffine.rawValue)
        }
    }

    private func calibrate() throws {
        descent.project()
        descent.start(epoch: 0)
        guard network.parameters.contains(where: { $0.kind == .stepSize }) else { return }
        if run.recipe.stepSizeStart == .halfNormal { return setHalfNormalStepSizes() }
        loader.start(epoch: 0)
        if let batch = try loader.next() {
            copy(batch)
            _ = try network.forward(images, batch: batch.count, mode: .calibration)
            descent.limitStepSizes()
        }
        loader.stop()
    }

    private func setHalfNormalStepSizes() {
        for case (let name, .activation(.quantized(let quantizer))) in network.graph.nodes.map({ ($0.name, $0.operation) }) {
            guard quantizer.fixedStepSize == nil, let stepSize = network.tensors.optional(name + ".resolution"),
                !stepSize.isKeptByCalibration
            else { continue }
            stepSize.value.fill(Float(halfNormalStepSize(qmax: quantizer.grid.upperBound)))
        }
        network.tensors.calibrateStepSizes(threads: threads)
        descent.limitStepSizes()
    }
}
