// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BCGDRuntime
import Backends
import BuildFacts
import CAllocations
import Experiments
import Files
import Foundation
import Parallelism
import Reporting
import Training

/// The part of the benchmark that runs our engine; `Experiments/benchmarks/training.py` drives it.
@main struct BenchmarkStep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark-step",
        abstract: "Times training steps and inference, measures peaks and draws charts for Experiments/benchmarks/training.py.",
        version: "\(BuildFacts.commit), instruction set \(InstructionSet.best), packed models by \(Classifier.Path.best.rawValue)",
        subcommands: [
            StepCommand.self, RanksCommand.self, DigestsCommand.self, InferenceCommand.self, ModelCommand.self, ScoresCommand.self,
            PeaksCommand.self, DrawCommand.self
        ])

    static func main() {
        startProgram()
        do {
            try InstructionSet.checkEnvironment()
            try expectTextArguments()
        } catch { exit(withError: error) }
        main(nil)
    }
}

struct ThreadOption: ParsableArguments {
    @Option(help: "Threads, 1 to 256.") var threads = 2

    func validate() throws {
        guard (1...256).contains(threads) else { throw ValidationError("--threads must be 1 to 256, not \(threads)") }
    }
}

struct StepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "Describes the step in one line of JSON, then answers each line \"go K\" with the mean of K steps.")

    @Option var network = "resnet20"
    @Option(help: "Images of a step.") var batch = 128
    @Option(help: "Rows and columns of an image.") var side = 32
    @Option(help: "Its channels, 1 or 3.") var channels = 3
    @Option var classes = 10
    @Option(help: "1 to 8, or 32 for float.") var weightBits = 1
    @Option(help: "1 to 8, or 32 for float.") var activationBits = 4
    @Option(help: "The step's arithmetic.") var precision = Precision.f32.rawValue
    @Option(help: ArgumentHelp("Folder with the recipes.", valueName: "dir")) var experiments = "Experiments"
    @OptionGroup var threads: ThreadOption

    func validate() throws {
        guard [1, 3].contains(channels) else { throw ValidationError("--channels must be 1 or 3, not \(channels)") }
        guard side >= 8 else { throw ValidationError("--side must be at least 8, not \(side)") }
        guard classes >= 2 else { throw ValidationError("--classes must be at least 2, not \(classes)") }
    }

    func run() throws {
        guard let precision = Precision(rawValue: precision) else {
            let known = Precision.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("this engine trains in precision \(known), not \(self.precision)")
        }
        let step = try TrainingStep(
            try paperRecipe(
                network: network, weightBits: weightBits, activationBits: activationBits, batch: batch, experiments: experiments),
            side: side, channels: channels, classes: classes, precision: precision, threads: threads.threads)
        try answer(step.description)
        while let count = try nextRequest() {
            let (before, start) = (allocations_so_far(), ContinuousClock.now)
            var loss = 0.0
            for _ in 0..<count { loss = try step.run() }
            let (milliseconds, after) = ((ContinuousClock.now - start) / .milliseconds(count), allocations_so_far())
            try answer(
                Block(
                    milliseconds: milliseconds, steps: count, loss: loss,
                    allocations: Double(after.count - before.count) / Double(count), largestAllocation: after.largest,
                    peakMegabytes: SystemFacts.peakMegabytes))
        }
    }

}

/// The paper's recipe, with a rate that keeps a network without warm start finite.
func paperRecipe(network: String, weightBits: Int, activationBits: Int, batch: Int, experiments: String) throws -> Recipe {
    let isFloat = weightBits == 32 && activationBits == 32
    let cells = try ExperimentCells(.paper, folder: experiments).cells
    guard var recipe = cells.first(where: { isFloat ? $0.isFloat : $0.recipe.method == .bcgd })?.recipe else {
        throw RecipeError("cells.yaml has no \(isFloat ? "float" : "bcgd") cell to take the recipe from")
    }
    (recipe.network, recipe.batchSize, recipe.learningRate) = (network, batch, 1e-3)
    (recipe.weightBits, recipe.activationBits) = (weightBits, activationBits)
    return recipe
}

struct PeaksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peaks", abstract: "Answers each line \"go K\" with the peaks, K tenths of a second for each, as JSON.")

    @OptionGroup var threads: ThreadOption

    func run() throws {
        while let count = try nextRequest() {
            try answer(Peaks(threads: threads.threads, seconds: 0.1 * Double(count)))
        }
    }
}

struct DrawCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "draw", abstract: "Draws NAME.svg and NAME.png in a folder, from gnuplot commands on standard input.")

    @Argument var name: String
    @Argument var folder: String

    func validate() throws {
        guard Figure.isFileName(name) else { throw ValidationError("NAME must be letters, digits and -_., not \(name)") }
    }

    func run() throws {
        let body = String(decoding: try FileHandle.standardInput.readToEnd() ?? Data(), as: UTF8.self)
        try Gnuplot().draw(Figure(name: name, body: body, data: []), in: folder)
    }
}

/// One timed block.
struct Block: Codable {
    /// Mean of the block's steps.
    let milliseconds: Double
    let steps: Int
    /// Of the last step, in nats.
    let loss: Double
    /// Allocations a step, and the largest of the block in bytes.
    let allocations: Double
    let largestAllocation: Int
    /// The most memory that the process has held, in 10⁶ bytes.
    let peakMegabytes: Double

    enum CodingKeys: String, CodingKey {
        case milliseconds, steps, loss, allocations
        case largestAllocation = "largest_allocation"
        case peakMegabytes = "peak_mb"
    }
}

/// K of the next line "go K" on standard input, or nil at its end.
func nextRequest() throws -> Int? {
    guard let line = readLine() else { return nil }
    let words = line.split(separator: " ")
    guard words.count == 2, words[0] == "go", let count = Int(words[1]), (1...1_000_000).contains(count) else {
        throw FileError("expected \"go K\" with K from 1 to 1000000, found \"\(line)\"")
    }
    return count
}

/// Writes one line of JSON.
func answer(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    say(String(decoding: try encoder.encode(value), as: UTF8.self))
}
