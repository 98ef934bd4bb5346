// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import Compute
import Files
import Foundation
import Statistics
import Training

/// Whether a change of the code moves a bit: run before and after it on one machine, and compare the lines.
struct DigestsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "digests", abstract: "Trains networks of every kind for some steps on noise, and prints digests of what they learned.",
        discussion: "One line for each network, precision and number of threads: checksums of all weights, momenta and running statistics. "
            + "They depend on the processor, but those of quantized networks in s16.")

    @Option(help: "Steps of each training.") var steps = 50
    @Option(help: ArgumentHelp("Folder with the recipes.", valueName: "dir")) var experiments = "Experiments"
    @Option(help: "Precisions, with commas.") var precisions = Precision.allCases.map(\.rawValue).joined(separator: ",")
    @Option(help: "Numbers of threads, with commas.") var threads = "1,2"
    @Option(help: ArgumentHelp("Only this network, such as \"resnet20 1W4A\".", valueName: "network")) var only: String?

    private struct Case {
        let network: String
        let weightBits, activationBits, side, batch: Int
        var name: String { "\(network) \(weightBits)W\(activationBits)A" }
    }

    private static let cases = [
        Case(network: "resnet20", weightBits: 1, activationBits: 4, side: 32, batch: 8),
        Case(network: "resnet20", weightBits: 2, activationBits: 4, side: 32, batch: 8),
        Case(network: "resnet20", weightBits: 32, activationBits: 32, side: 32, batch: 8),
        Case(network: "vgg11", weightBits: 4, activationBits: 4, side: 32, batch: 4),
        Case(network: "imagenet-resnet18", weightBits: 1, activationBits: 4, side: 64, batch: 4)
    ]

    func validate() throws {
        guard (1...100_000).contains(steps) else { throw ValidationError("--steps must be 1 to 100000, not \(steps)") }
        guard !threadCounts.isEmpty, threadCounts.allSatisfy({ (1...256).contains($0) }) else {
            throw ValidationError("--threads must be numbers from 1 to 256, with commas, not \(threads)")
        }
        guard only.map(Self.cases.map(\.name).contains) ?? true else {
            throw ValidationError("--only must be one of \(Self.cases.map(\.name).joined(separator: ", "))")
        }
        guard !kinds.isEmpty, kinds.count == precisions.split(separator: ",").count else {
            throw ValidationError("--precisions must be of \(Precision.choice), with commas, not \(precisions)")
        }
    }

    private var threadCounts: [Int] { threads.split(separator: ",").map { Int($0) ?? 0 } }
    private var kinds: [Precision] { precisions.split(separator: ",").compactMap { Precision(rawValue: String($0)) } }

    func run() throws {
        for c in Self.cases where only ?? c.name == c.name {
            for precision in kinds {
                for threads in threadCounts {
                    let recipe = try paperRecipe(
                        network: c.network, weightBits: c.weightBits, activationBits: c.activationBits, batch: c.batch,
                        experiments: experiments)
                    let step = try TrainingStep(recipe, side: c.side, classes: 10, precision: precision, threads: threads)
                    for _ in 0..<steps { _ = try step.run() }
                    say(
                        "\(c.name) \(c.side)x\(c.side) \(precision.rawValue) \(threads) threads: "
                            + "\(step.digest)"
                    )
                }
            }
        }
    }
}
