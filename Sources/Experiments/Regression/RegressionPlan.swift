// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import Training

/// What `reproduce regress` trains with each seed, as `Experiments/regress.yaml` states it: a float run on the first images
/// of a data set, and quantized runs that start from it.
public struct RegressionPlan: Codable, Equatable, Sendable {
    public struct Run: Codable, Equatable, Sendable {
        public let name: String
        public let recipe: Recipe
    }

    /// Numbers of images: the first ones of each split.
    public let trainImages, testImages: Int
    public let float: Run
    public let quantized: [Run]
    /// The base recipe's file without its ending, such as `paper`.
    public let recipeName: String

    public var runs: [Run] { [float] + quantized }
    /// Eight hexadecimal digits that stand for all of it.
    public var digest: String { crc32Hex(Data(canonicalJSON(self).utf8)) }

    /// - Parameter folder: `Experiments/`.
    /// - Throws: `FileError` or `RecipeError` naming the file and the key.
    public init(folder: String) throws {
        var file = try Settings(contentsOf: "\(folder)/regress.yaml")
        func need<Value>(_ value: Value?, _ key: String) throws -> Value {
            guard let value else { throw RecipeError("\(file.source) needs the key \(key)") }
            return value
        }
        func count(_ key: String) throws -> Int { try need(try file.take(images: key, upTo: 1_000_000), key) }
        let baseName = try need(try file.take(string: "base"), "base")
        (trainImages, testImages) = (try count("train_images"), try count("test_images"))
        let (common, floatOnly) = (try file.take(mapping: "common"), try file.take(mapping: "float"))
        let entries = try file.take(list: "runs")
        try file.expectEmpty(allowed: "base, train_images, test_images, common, float, runs")
        var base = try Settings(contentsOf: "\(folder)/\(baseName)")
        let phases = try base.takePhases()
        func run(_ name: String, _ phase: Settings, _ own: Settings) throws -> Run {
            Run(name: name, recipe: try [phase, common, own].reduce(base) { $0.overridden(by: $1) }.named(own.source).recipe())
        }
        recipeName = (baseName as NSString).deletingPathExtension
        float = try run("float", phases.float, floatOnly)
        quantized = try entries.map { entry in
            var entry = entry
            return try run(try need(try entry.take(string: "run"), "run in each of runs"), phases.quantized, entry)
        }
        let names = runs.map(\.name)
        guard Set(names).count == names.count else { throw RecipeError("\(file.source): two runs have the same name") }
    }

    /// The images that the plan uses.
    /// - Throws: `FileError` when the data set has fewer, or is not in memory.
    public func images(of dataset: any Dataset) throws -> ImageDataset {
        guard let dataset = dataset as? ImageDataset else {
            throw FileError("\(dataset.name) is read from files of many sizes: regress takes images in memory")
        }
        guard dataset.train.count >= trainImages, dataset.test.count >= testImages else {
            throw FileError(
                "\(dataset.name) has \(dataset.train.count) training and \(dataset.test.count) test images, regress.yaml wants "
                    + "\(trainImages) and \(testImages)")
        }
        return dataset.first(train: trainImages, test: testImages)
    }

    /// What a seed's measurement holds, in order.
    public var statistics: [String] {
        runs.flatMap { run in RegressionStatistic.all(of: run.recipe).map { "\(run.name).\($0.rawValue)" } }
    }
}

/// What is measured of each run after its last epoch. `w₀`, `α₀` and the integer weights `q₀` are those that the run started from.
public enum RegressionStatistic: String, CaseIterable, Sendable {
    /// Mean loss of the last epoch on the training images, in nats.
    case trainLoss = "train_loss"
    /// On the test images, with running statistics: in nats, and in percent.
    case testLoss = "test_loss"
    case testTop1 = "test_top1"
    /// `‖w_f − w₀‖/‖w₀‖`, over all layers' weights.
    case weightMovement = "weight_movement"
    /// `‖w_f − w_q‖/‖w_f‖`, over all quantized weights.
    case weightDistance = "weight_distance"
    /// `‖w_f − w_q‖/(η‖m‖)`, the same in units of the last step: 1/ρ and little spread where a strong blend is undone by
    /// correcting after it, `(1 − ρ)/ρ` where the blend comes last.
    case distanceInSteps = "distance_in_steps"
    /// Part of the quantized weights whose code is not `q₀`: at one bit, whose sign flipped.
    case integerWeightsChanged = "codes_changed"
    /// Geometric mean of the layers' step sizes α.
    case stepSize = "resolution"
    /// Mean over layers of `log α/α₀`.
    case stepSizeDrift = "resolution_drift"

    static func all(of recipe: Recipe) -> [RegressionStatistic] {
        allCases.filter { statistic in
            switch statistic {
            case .trainLoss, .testLoss, .testTop1, .weightMovement: true
            case .weightDistance, .distanceInSteps: recipe.weightBits < 32
            // A strong blend holds nearly every code where it is, so that their number is near 0, and with some seeds a layer's
            // step size collapses: both are far from normal.
            case .integerWeightsChanged: recipe.weightBits < 32 && recipe.effectiveBlending < 0.1
            case .stepSize, .stepSizeDrift: recipe.activationBits < 32 && recipe.effectiveBlending < 0.1
            }
        }
    }
}
