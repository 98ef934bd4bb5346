// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Collectives
import Compute
import Datasets
import Files
import Foundation
import Graph

/// Training went out of bounds: the loss, a parameter or a running statistic is not finite.
public struct DivergenceError: Error, CustomStringConvertible {
    public let description: String
    package init(description: String) { self.description = description }
}

/// Hears how a run goes on; everything is optional to use.
public protocol TrainingObserver {
    /// After every step: the state, and the epoch's images so far.
    mutating func stepped(_ state: TrainingState)
    /// After every epoch, its record in the state's curve.
    mutating func finishedEpoch(_ state: TrainingState) throws
}

/// One training run from its first step, or from a checkpoint, to its last epoch.
///
/// The same description, machine and thread count give the same bits, interrupted or not: data order and augmentation
/// are functions of (seed, epoch, image), and a checkpoint holds the rest.
public final class Trainer {
    public let run: RunDescription
    public let network: Network
    public private(set) var state = TrainingState()
    /// Seconds that the training loop waited for images.
    public var waitSeconds: Double { loader.waitSeconds }
    /// What was done meanwhile to prepare training images, and the bytes that hold them.
    public var loading: (work: LoaderWork, bytesHeld: Int) { (loader.work, loader.bytesHeld) }

    public var imagesPerEpoch: Int { loader.split.count }
    public var testImages: Int { testLoader.split.count }

    let descent: CoarseGradientDescent
    let loss: SoftmaxCrossEntropy
    let loader: BatchLoader
    let testLoader: BatchLoader
    let images: Tensor
    let shards: Shards
    var collective: any Collective { shards.collective }
    private var accumulation: GradientAccumulation?
    private let integerChanges: IntegerChanges
    /// Of each quantized weight, what `EpochRecord.integerChanges` says of all, in the epoch that finished last.
    public private(set) var layerChanges: [Double]?
    public let threads: Int
    /// How many training images there are, and digests of the classes' names and of the images (`Dataset.digest`).
    let data: String
    private let classes: [String]

    /// Trains the network that the recipe names.
    /// - Parameters:
    ///   - run: what is trained, on what and from what.
    ///   - dataset: the run's; images that the recipe sets aside are set aside here, where they are not yet (`RunDescription.dataset`).
    ///   - threads: 1 or more that compute.
    ///   - dataWorkers: threads that prepare images; they do not change what is computed.
    ///   - collective: the processes that train it together, each with as many threads; the same bits as one of them by itself.
    public convenience init(
        _ run: RunDescription, dataset: any Dataset, threads: Int, dataWorkers: Int = 1, collective: any Collective = Alone()
    ) throws {
        try run.recipe.validate()
        try self.init(run, dataset: dataset, threads: threads, dataWorkers: dataWorkers, collective: collective) {
            try .named(run.recipe.network, input: $0, classes: $1)
        }
    }

    /// Trains a network of one's own (`Documentation/AddingANetwork.md`); the recipe's `network` is then just its name, by
    /// which checkpoints know it.
    /// - Parameters:
    ///   - run: what is trained, on what and from what.
    ///   - dataset: the run's; images that the recipe sets aside are set aside here, where they are not yet (`RunDescription.dataset`).
    ///   - threads: 1 or more that compute.
    ///   - dataWorkers: threads that prepare images; they do not change what is computed.
    ///   - collective: the processes that train it together.
    ///   - graph: for images of a shape and a number of classes, in floats: the recipe gives it its quantizers.
    /// - Throws: `RecipeError` for impossible settings, and for a run that is described on other images; `MemoryError` when a batch would
    ///   not fit into memory; `FileError` for classes that cannot be told apart, labels that are none of them, images of two shapes or
    ///   none; `GraphError` for a network that cannot be; `CollectiveError` where ranks do not divide the shards, or have other images or
    ///   another run.
    public init(
        _ run: RunDescription, dataset: any Dataset, threads: Int, dataWorkers: Int = 1, collective: any Collective = Alone(),
        graph: (_ input: FeatureShape, _ classes: Int) throws -> NetworkGraph
    ) throws {
        try run.recipe.validate(knownNetwork: false)
        let recipe = run.recipe, dataset = dataset.settingAside(recipe.validationImages)
        try Self.expectNamed(dataset, of: run)
        classes = dataset.classes
        try Self.expectDistinct(classes, of: dataset.name)
        let (train, test) = try dataset.sources(imageSize: recipe.imageSize), shape = train.shape
        try Self.expectImages(train, test, of: dataset.name)
        let graph = try recipe.quantized(try graph(shape, classes.count))
        try Self.expectScores(graph, classes: classes.count, name: recipe.network)
        let shards = try Shards(recipe.shards, batch: recipe.batchSize, collective: collective)
        try Self.expectRoom(for: run, graph, batch: shards.places.count, threads: threads)
        let context = ExecutionContext(engine: try Engine(threads: threads), shards: shards)
        (self.run, self.threads, self.shards) = (run, threads, shards)
        network = try Network(
            graph, precision: run.precision, relaxesWeights: recipe.relaxesWeights, keepsSecondMoments: recipe.optimizer == .adam,
            images: test.pixels.map { ByteImages(mean: $0.mean, std: $0.std) }, in: context)
        network.initialize(seed: run.seed)
        descent = CoarseGradientDescent(network, recipe: recipe, threads: threads)
        descent.limitStepSizes()
        integerChanges = IntegerChanges(network.weights)
        accumulation = recipe.accumulation > 1 ? GradientAccumulation(network.tensors.gradients) : nil
        loss = SoftmaxCrossEntropy(classes: dataset.classes.count, in: context)
        images = shape.tensor(batch: context.batch)
        data = TrainingState.data(images: train.count, classes: classes, checksum: dataset.digest)
        try Self.expectSame("\(data), \(test.count) test images and the run \(run.digest)", collective)
        let augmentation =
            recipe.imageSize == nil
            ? Augmentation(padding: recipe.cropPadding, flips: recipe.flip)
            : Augmentation(smallestArea: recipe.smallestCrop, flips: recipe.flip)
        loader = BatchLoader(
            split: train, batchSize: recipe.batchSize, places: shards.places, seed: run.seed, augmentation: augmentation, shuffled: true,
            classes: dataset.classes.count, workers: dataWorkers)
        testLoader = BatchLoader(
            split: test, batchSize: recipe.batchSize, places: shards.places, seed: run.seed, shuffled: false,
            classes: dataset.classes.count, workers: dataWorkers)
        (state.data, state.threads) = (data, threads)
    }

    /// Goes on where the checkpoint stands.
    public func restore(_ checkpoint: Checkpoint) throws {
        try expectSameData(checkpoint)
        guard checkpoint.state.threads ?? threads == threads else {
            throw CheckpointError(
                description:
                    "\(checkpoint.path) was computed by \(checkpoint.state.threads ?? 0) threads, on which its last bits depend: go on "
                    + "with as many (--threads), or start again in another --out")
        }
        try checkpoint.expectPosition(
            epochs: run.recipe.epochs, batches: loader.batchesPerEpoch, images: imagesPerEpoch, integerWeights: integerChanges.counts)
        try checkpoint.restore(network, run: run)
        try expectPlainNorms(from: checkpoint.path)
        state = checkpoint.state
        (state.data, state.threads) = (data, threads)
        if run.recipe.evaluation == .current { descent.project() }  // else it came with the checkpoint
        descent.start(epoch: state.epoch)
    }

    public func save(to path: String) throws { try Checkpoint.save(network, state, run, classes: classes, to: path) }

    public var isFinished: Bool { state.epoch >= run.recipe.epochs }

    /// Trains until the last epoch or until somebody asks to stop, on any rank; saves at least once a minute and at every epoch's end.
    ///
    /// - Throws: `DivergenceError`, and what reading images or saving throws; `state.epoch` epochs are then finished.
    /// - Parameters:
    ///   - path: of the checkpoint, or `nil` to keep none; the first rank writes it.
    ///   - stop: ends the training when asked to.
    ///   - stepLimit: ends after so many steps as if asked to stop.
    ///   - observer: hears of every step and every epoch.
    public func train(
        checkpoint path: String?, stop: StopRequest = StopRequest(), stepLimit: Int = .max, observer: inout some TrainingObserver
    ) throws {
        var clock = Stopwatch(before: state.seconds)
        var steps = 0
        func save() throws {
            guard let path else { return }
            try expectFiniteNetwork()
            if collective.isFirst { try self.save(to: path) }
        }
        // What ranks see at different times, they agree on after each step.
        var isStopping = try collective.any([stop.isMade])[0]
        // An epoch whose steps are all made (as train.py leaves the last one) is evaluated, whatever the limit.
        while !isFinished && !isStopping && (steps < stepLimit || state.batch == loader.batchesPerEpoch) {
            descent.start(epoch: state.epoch)
            loader.start(epoch: state.epoch, firstBatch: state.batch)
            while !isStopping, steps < stepLimit, let batch = try loader.next() {
                try step(batch)
                steps += 1
                state.seconds = clock.seconds
                observer.stepped(state)
                let agreed = try collective.any([stop.isMade, collective.isFirst && clock.isDue(every: 60)])
                isStopping = agreed[0]
                if agreed[1] { try save() }
            }
            loader.stop()
            guard state.batch == loader.batchesPerEpoch else { break }
            try expectFiniteNetwork()
            try expectSameBits()
            let test = try evaluate().total
            state.seconds = clock.seconds
            layerChanges = changes(state.layerChanges, of: integerChanges.counts)
            state.close(record(test))
            try save()
            try observer.finishedEpoch(state)
            isStopping = try collective.any([isStopping || stop.isMade])[0]
        }
        state.seconds = clock.seconds
        try save()
        if isStopping { stop.make() }
    }

    /// One step of the method on one mini-batch, or on the mean gradient of `accumulation` mini-batches, fewer in an epoch's last step.
    private func step(_ first: Batch) throws {
        let recipe = run.recipe, begin = state.batch, batches = loader.batchesPerEpoch
        integerChanges.begin()
        var next: Batch? = first
        while let batch = next {
            let (outcome, replaced) = try passes(batch)
            state.add(outcome, replaced: replaced)
            accumulation?.add(network.tensors.gradients, images: batch.count)
            next = state.batch - begin < recipe.accumulation ? try loader.next() : nil
        }
        accumulation?.writeMean(to: network.tensors.gradients)
        let stepsAnEpoch = (batches + recipe.accumulation - 1) / recipe.accumulation
        descent.step(
            learningRate: recipe.learningRate(epoch: state.epoch, batch: begin, of: batches),
            number: state.epoch * stepsAnEpoch + begin / recipe.accumulation + 1)
        if integerChanges.count > 0 { state.add(changes: integerChanges.next()) }
    }

    private func expectFiniteNetwork() throws {
        guard let name = Checkpoint.nameOfNotFinite(network) else { return }
        throw DivergenceError(description: "\(name) is not finite in epoch \(state.epoch + 1) of \(run.name); try a smaller learning rate")
    }

    /// The forward and the backward pass of one mini-batch.
    private func passes(_ batch: Batch) throws -> (outcome: BatchOutcome, replaced: Int) {
        copy(batch)
        descent.prepareStep()
        let scores = try network.forward(images, batch: batch.count, mode: .training)
        let (outcome, notFinite, replaced) = try shards.total(
            loss(scores, labels: batch.labels, batch: batch.count, smoothing: run.recipe.labelSmoothing), notFinite: loss.notFinite,
            replaced: batch.replaced)
        guard outcome.lossSum.isFinite, notFinite == nil else {
            throw DivergenceError(
                description: "the loss is not finite in epoch \(state.epoch + 1), batch \(batch.index + 1) of \(run.name); "
                    + "try a smaller learning rate")
        }
        try network.backward(loss.gradient, batch: batch.count)
        return (outcome, replaced)
    }

    /// Takes a checkpoint's values and running statistics, of whatever precision, and calls `body` with the outcome of each of
    /// the first mini-batches of an epoch, whose gradients the network then holds; nothing is learned.
    package func gradients(at checkpoint: Checkpoint, batches: Int, body: (BatchOutcome) -> Void) throws {
        try checkpoint.warmStart(network)
        descent.project()
        descent.start(epoch: checkpoint.state.epoch)
        loader.start(epoch: checkpoint.state.epoch)
        defer { loader.stop() }
        for _ in 0..<batches {
            guard let batch = try loader.next() else { return }
            body(try passes(batch).outcome)
        }
    }

    func copy(_ batch: Batch) {
        images.pointer.update(from: batch.images, count: batch.here * network.input.count)
    }

    private func record(_ test: BatchOutcome) -> EpochRecord {
        EpochRecord(
            epoch: state.epoch + 1, learningRate: run.recipe.learningRate(epoch: state.epoch, of: loader.batchesPerEpoch),
            trainLoss: state.lossSum / Double(state.images),
            trainTop1: 100 * Double(state.hits) / Double(state.images), testLoss: test.lossSum / Double(test.count),
            testHits: test.top1, testCount: test.count, testTop5Hits: test.top5, replaced: state.replaced,
            integerChanges: changes(state.changes.map { [$0] }, of: [integerChanges.count])?[0], seconds: state.seconds)
    }

    /// Changed integers of an epoch's steps as percent a step.
    private func changes(_ changed: [Int]?, of counts: [Int]) -> [Double]? {
        changed.map { zip($0, counts).map { 100 * Double($0) / Double($1 * (state.changeSteps ?? 1)) } }
    }
}
