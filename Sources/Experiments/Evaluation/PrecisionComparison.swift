// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Parallelism
import Statistics
import Training

/// How far the gradients of mixed precision, or of s16, are from those of f32 on the same mini-batches at a trained network, and whether
/// the difference has a direction.
///
/// With g_b the f32 gradient of one parameter on mini-batch b of B, ḡ their mean, and d_b the mixed gradient minus g_b:
///
///     error   √(Σ_b ‖d_b‖² / Σ_b ‖g_b‖²)
///     noise   √(Σ_b ‖g_b − ḡ‖² / Σ_b ‖g_b‖²)·√(B/(B − 1))     what choosing other images changes
///     slope   mean over b of ⟨d_b, g_b⟩/‖g_b‖², with Student's interval: 0 unless mixed precision shrinks or stretches
///     drift   ‖Σ_b d_b‖ / √(Σ_b ‖d_b‖²)                       1 for independent errors, √B for the same error each time
public struct PrecisionComparison {
    public struct Row: Sendable {
        public let parameter: String
        public let count: Int
        public let error, noise, slope, drift: Double
        /// Nil where all mini-batches have the same slope.
        public let slopeInterval: Interval?
    }

    public let rows: [Row]
    /// The mean over mini-batches of the loss in mixed precision minus that in f32, with Student's interval where they differ.
    public let lossDifference: (mean: Double, interval: Interval?)
    public let batches: Int

    /// - Parameters:
    ///   - checkpoint: of a run on `dataset`, in any precision.
    ///   - precision: what is compared with f32.
    ///   - dataset: the one that the checkpoint's run trained on.
    ///   - batches: 2 or more; the first ones of the epoch after the checkpoint's.
    ///   - threads: 1 or more that compute.
    /// - Throws: errors of reading the checkpoint; `CheckpointError` when it is of another data set.
    public init(_ checkpoint: Checkpoint, _ precision: Precision = .mixed, dataset: any Dataset, batches: Int, threads: Int) throws {
        precondition(batches > 1, "an interval needs two mini-batches")
        let run = try checkpoint.description(), dataset = dataset.settingAside(run.recipe.validationImages)
        guard run.dataset == dataset.name else {
            throw CheckpointError(description: "\(checkpoint.path) was trained on \(run.dataset), not on \(dataset.name)")
        }
        try checkpoint.expectClasses(dataset.classes, of: dataset.name)
        let (f32, mixed) = (
            try GradientRecord(checkpoint, run, .f32, dataset, batches, threads),
            try GradientRecord(checkpoint, run, precision, dataset, batches, threads)
        )
        guard f32.losses.count > 1 else {
            throw RecipeError(
                "\(checkpoint.path) is of a run whose epochs have one mini-batch of \(run.recipe.batchSize) images: an interval needs two")
        }
        rows = f32.names.indices.map { Self.row(f32.names[$0], f32.gradients.map(\.[$0]), mixed.gradients.map(\.[$0])) }
        lossDifference = studentInterval(zip(mixed.losses, f32.losses).map { $0 - $1 })
        self.batches = f32.losses.count
    }

    /// - Parameters: each gradient of one parameter, `[batch][element]`.
    package static func row(_ parameter: String, _ f32: [[Float]], _ mixed: [[Float]]) -> Row {
        let batches = Double(f32.count)
        let differences = zip(mixed, f32).map { zip($0, $1).map { Double($0) - Double($1) } }
        let gradients = f32.map { $0.map(Double.init) }
        func square(_ v: [Double]) -> Double { v.reduce(0) { $0 + $1 * $1 } }
        func sum(_ all: [[Double]]) -> [Double] { all.dropFirst().reduce(all[0]) { zip($0, $1).map(+) } }
        let (all, allDifferences) = (gradients.map(square).reduce(0, +), differences.map(square).reduce(0, +))
        let spread = max(0, all - square(sum(gradients)) / batches)
        let slopes = studentInterval(
            zip(differences, gradients).map { d, g in
                let size = square(g)
                return size > 0 ? zip(d, g).reduce(0) { $0 + $1.0 * $1.1 } / size : 0
            })
        func ratio(_ a: Double, _ b: Double) -> Double { b > 0 ? (a / b).squareRoot() : 0 }
        return Row(
            parameter: parameter, count: f32[0].count, error: ratio(allDifferences, all),
            noise: ratio(spread * batches / (batches - 1), all), slope: slopes.mean,
            drift: ratio(square(sum(differences)), allDifferences), slopeInterval: slopes.interval)
    }
}

/// The gradients and losses of mini-batches in one precision.
private struct GradientRecord {
    let names: [String]
    /// `[batch][parameter][element]`.
    private(set) var gradients: [[[Float]]] = []
    /// Per image.
    private(set) var losses: [Double] = []

    init(
        _ checkpoint: Checkpoint, _ run: RunDescription, _ precision: Precision, _ dataset: any Dataset, _ batches: Int,
        _ threads: Int
    ) throws {
        let run = RunDescription(
            name: run.name, dataset: run.dataset, recipe: run.recipe, seed: run.seed, warmStart: nil, precision: precision)
        let trainer = try Trainer(run, dataset: dataset, threads: threads)
        let parameters = trainer.network.parameters
        names = parameters.map(\.name)
        // Of both precisions, and of one parameter at a time in f64.
        let numbers = parameters.reduce(0) { $0 + $1.value.count }
        try AvailableMemory.expect(3 * 4 * batches * numbers, of: .now(), for: "keeping the gradients of \(batches) mini-batches")
        var (gradients, losses): ([[[Float]]], [Double]) = ([], [])
        try trainer.gradients(at: checkpoint, batches: batches) { outcome in
            gradients.append(parameters.map(\.gradient.values))
            losses.append(outcome.lossSum / Double(outcome.count))
        }
        for (batch, gradient) in gradients.enumerated() {
            guard let index = gradient.firstIndex(where: { !$0.allSatisfy(\.isFinite) }) else { continue }
            throw DivergenceError(
                description:
                    "\(run.name) in \(precision.rawValue): the gradient of \(names[index]) in mini-batch \(batch + 1) is not finite")
        }
        (self.gradients, self.losses) = (gradients, losses)
    }
}
