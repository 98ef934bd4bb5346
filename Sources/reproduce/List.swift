// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import Compute
import Datasets
import Files
import Foundation
import Graph
import Reporting
import Training

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the cells of all tables and figures, what they cost on this machine, and what is reported.",
        discussion: """
            The cost is measured: a few steps of each network on this machine, times the steps of the schedule, for the data set, \
            protocol, precision and threads that `reproduce table1` (with --imagenet: table3) uses with the same options.
            """)

    @OptionGroup var experiment: ExperimentOptions

    @Flag(help: "The cells of ImageNet (table 3), not those of CIFAR-10.")
    var imagenet = false

    @OptionGroup var images: DataOptions
    @OptionGroup var imageNet: ImageNetOptions

    @Option(help: "Arithmetic, as in the tables: f32 or mixed (default: the fastest on this processor).")
    var precision = Precision.best

    @OptionGroup var computing: ThreadOptions

    func run() throws {
        let subject: Subject = imagenet ? .imageNet : .smallImages
        let (cells, reported) = (try experiment.cells(subject), try experiment.reported())
        let tables = try subject.tables.map { try experiment.table($0, subject) }
        let images = imagenet ? try PlannedImages(imageNet, folder: images.data) : PlannedImages(images)
        var costs: [StepCost] = []
        let rows = try cells.cells.map { cell in
            let cost = try costs.first { $0.stands(for: cell.recipe) }
                ?? StepCost(measuring: cell.recipe, on: images, precision: precision, threads: computing.threads)
            costs.append(cost)
            let shown = RunCell(cell, dataset: images.name, runProtocol: cells.runProtocol)
            return [
                cell.name, shown.network, shown.bits, shown.method, tables.filter { $0.cells.contains(cell.name) }.map(\.name).joined(separator: ", "),
                "\(cell.recipe.epochs)", timeInWords(cost.seconds(epochs: cell.recipe.epochs)),
                reported[shown.reportedID].map { "\($0.value) \($0.unit) (\($0.source))" } ?? ReportedValue.notAvailable,
            ]
        }
        print("""
            protocol \(cells.runProtocol.rawValue), \(images.inWords), \(computing.threads) threads, \(precision.rawValue): as `reproduce \
            \(imagenet ? "table3" : "table1")` with the same options; a quantized cell needs its network's float cell first

            """)
        print(markdownTable(header: ["Cell", "Network", "Bits", "Method", "Shown in", "Epochs", "Estimated time", "Reported"], rows: rows))
    }
}

/// What an estimate has to know of a data set.
struct PlannedImages {
    let name: String
    let channels: Int
    /// Rows and columns; `nil` where the recipe says.
    let side: Int?
    let classes: Int
    let train, test: Int

    var inWords: String { "\(name) (\(train) training and \(test) test images)" }

    /// The data set that the options name; its files are not looked at.
    init(_ options: DataOptions) {
        if options.data ?? environment("BCGD_DATA") != nil {
            (name, channels, side, classes, train, test) = ("CIFAR-10", 3, 32, CIFAR10.classes.count, 50_000, 10_000)
        } else {
            (name, channels, side, classes, train, test) = ("Fashion-MNIST", 1, 28, FashionMNIST.classes.count, 60_000, 10_000)
        }
    }

    /// The images in the folder; without one all of ImageNet.
    /// - Parameter folder: `nil` for that of the environment.
    init(_ options: ImageNetOptions, folder: String?) throws {
        guard options.folder(folder) != nil else {
            self = .imageNet
            return
        }
        let dataset = try options.load(folder), sources = try dataset.sources(imageSize: 32)
        (name, channels, side, classes, train, test) = (dataset.name, 3, nil, dataset.classes.count, sources.train.count, sources.test.count)
    }

    private init(imageNetClasses: Int) {
        (name, channels, side, classes, train, test) = ("ImageNet", 3, nil, imageNetClasses, ImageNet.trainImages, ImageNet.testImages)
    }

    static let imageNet = PlannedImages(imageNetClasses: ImageNetClasses.wnids.count)
}

/// Such as `12 min`, `3.4 h` or `5.6 days`.
func timeInWords(_ seconds: Double) -> String {
    if seconds > 2 * 86400 { return String(format: "%.1f days", seconds / 86400) }
    return seconds < 5400 ? String(format: "%.0f min", (seconds / 60).rounded(.up)) : String(format: "%.1f h", seconds / 3600)
}

/// Seconds of a training step of a data set's images, measured.
struct StepCost {
    private let recipe: Recipe
    private let images: PlannedImages
    let secondsAnImage: Double

    /// - Throws: `MemoryError` when the batches would not fit into memory.
    init(measuring recipe: Recipe, on images: PlannedImages, precision: Precision, threads: Int) throws {
        (self.recipe, self.images) = (recipe, images)
        guard let side = recipe.imageSize ?? images.side else {
            throw RecipeError("the images of \(images.name) have many sizes: the recipe needs image_size")
        }
        let shape = FeatureShape(height: side, width: side, channels: images.channels)
        let graph = try recipe.graph(input: shape, classes: images.classes)
        try NetworkMemory(graph, name: recipe.network, precision: precision, relaxesWeights: recipe.relaxesWeights, threads: threads).expectRoom(
            batch: recipe.batchSize, besides: 2 * (BatchLoader.depth + 2) * 4 * shape.count, for: recipe.network)
        let batch = recipe.imageSize == nil ? recipe.batchSize : min(recipe.batchSize, 32)
        let network = try Network(
            graph, precision: precision, relaxesWeights: recipe.relaxesWeights, in: Workshop(engine: try Engine(threads: threads), batch: batch))
        network.initialize(seed: 1)
        for parameter in network.parameters where parameter.kind == .resolution { parameter.value.fill(1) }
        let descent = CoarseGradientDescent(network, recipe: recipe, threads: threads)
        descent.project()
        let tensor = shape.tensor(batch: batch)
        var times: [Double] = []
        for _ in 0..<(recipe.imageSize == nil ? 4 : 3) {
            let start = ContinuousClock.now
            let scores = try network.forward(tensor, batch: batch, mode: .training)
            try network.backward(scores, batch: batch)
            descent.step(rate: 1e-6)
            times.append((ContinuousClock.now - start) / .seconds(1))
        }
        secondsAnImage = (times.dropFirst().min() ?? 0) / Double(batch)  // the first call plans
    }

    /// Whether a step of the other recipe takes the same passes; how many bits quantized weights have hardly matters.
    func stands(for other: Recipe) -> Bool {
        func passes(_ recipe: Recipe) -> [AnyHashable] {
            [
                recipe.network, recipe.activationBits, recipe.weightBits == 32, recipe.method == .binaryRelax, recipe.quantizedLayers,
                recipe.batchSize, recipe.imageSize,
            ]
        }
        return passes(recipe) == passes(other)
    }

    /// An evaluation pass costs about a third of a training pass: one product in three.
    func seconds(epochs: Int) -> Double { Double(epochs) * (Double(images.train) + Double(images.test) / 3) * secondsAnImage }
}
