// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import Collectives
import Experiments
import Files
import Foundation

/// What ranks that share a step cost, beside the model of `list --nodes`.
struct RanksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ranks", abstract: "Times training steps that ranks share, started by mpirun (Documentation/Cluster.md).",
        discussion:
            "Of one rank, and without --ranks, the same steps alone. The model is of what ranks add to a step; it takes --network's Gbit/s."
    )

    @Option var network = "resnet20"
    @Option(help: "Images of a step, on all ranks.") var batch = 128
    @Option(help: "Rows and columns of an image.") var side = 32
    @Option var classes = 10
    @Option(help: "The step's arithmetic.") var precision = Precision.f32.rawValue
    @Option(help: "Steps; the median counts.") var steps = 15
    @Option(help: "For the model.") var gigabits = 10.0
    @Option(help: "Processes that share a step.") var ranks: Int?
    @Option(help: "The recipe's key.") var shards = 4
    @Option(help: ArgumentHelp("Folder with the recipes.", valueName: "dir")) var experiments = "Experiments"
    @OptionGroup var threads: ThreadOption

    func validate() throws {
        guard (1...4096).contains(batch), (8...512).contains(side), (3...10_000).contains(steps), gigabits > 0 else {
            throw ValidationError("--batch, --side, --steps or --gigabits is out of range")
        }
        if let fault = fault(ofRanks: ranks) { throw ValidationError(fault) }
        guard (1...batch).contains(shards), shards & (shards - 1) == 0 else {
            throw ValidationError("--shards must be a power of two up to --batch")
        }
    }

    func run() throws {
        guard let precision = Precision(rawValue: precision) else {
            throw ValidationError("--precision must be \(Precision.choice), not \(self.precision)")
        }
        try asRank(of: ranks, isEnd: { _ in false }) { collective in
            let recipe = try paperRecipe(network: network, weightBits: 1, activationBits: 4, batch: batch, experiments: experiments)
            let shards = try Shards(shards, batch: batch, collective: collective)
            let step = try TrainingStep(
                recipe, side: side, classes: classes, precision: precision, threads: threads.threads, shards: shards)
            _ = try step.run()
            let times = try (0..<steps).map { _ in
                let start = ContinuousClock.now
                _ = try step.run()
                return (ContinuousClock.now - start) / .seconds(1)
            }.sorted()
            guard collective.isFirst else { return }
            let model = ClusterCost(nodes: collective.ranks, network: gigabits).secondsAdded(
                numbers: step.description.parameters, messages: step.messages)
            say(
                String(
                    format: "%@ 1W4A, batch %d, %d ranks of %d threads: %.1f ms a step (fastest %.1f); the model adds %.1f ms at %g Gbit/s",
                    network, batch,
                    collective.ranks, threads.threads, 1000 * times[steps / 2], 1000 * times[0], 1000 * model, gigabits))
        }
    }
}
