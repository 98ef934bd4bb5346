// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import Experiments
import Files

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the cells of all tables and figures, what they cost on this machine, and what is reported.",
        discussion: """
            The cost is measured: a few steps of each network on this machine, times the steps of the schedule, for the data set, \
            protocol, precision and threads that `reproduce table1` (with --imagenet: table3; with --dataset mnist: table4) uses with the \
            same options.
            """)

    @OptionGroup var experiment: ExperimentOptions

    @Flag(help: "The cells of ImageNet (table 3), not those of CIFAR-10.")
    var imagenet = false

    @OptionGroup var images: DataOptions
    @OptionGroup var imageNet: ImageNetOptions

    @Option(help: "Arithmetic, as in the tables: \(Precision.choice) (default: the fastest on this processor).")
    var precision = Precision.best

    @OptionGroup var computing: ThreadOptions

    @Option(help: ArgumentHelp("Also what each cell would cost on so many machines like this one; a power of two.", valueName: "count"))
    var nodes: Int?

    @Option(help: ArgumentHelp("With --nodes: what a node sends and receives at a time (default: 10).", valueName: "Gbit/s"))
    var network: Double?

    @OptionGroup var format: JSONOption
    private var json: Bool { format.json }

    func validate() throws {
        if let nodes {
            guard (2...4096).contains(nodes), nodes & (nodes - 1) == 0 else {
                throw ValidationError("--nodes must be a power of two from 2 to 4096, not \(nodes)")
            }
        }
        if let network {
            guard (0.01...10_000).contains(network) else { throw ValidationError("--network must be 0.01 to 10000 Gbit/s, not \(network)") }
            guard nodes != nil else { throw ValidationError("--network is for --nodes: add that, or leave it out") }
        }
        guard !imagenet || images.asked == nil else {
            throw ValidationError("--imagenet and --dataset are two data sets: leave one of them out")
        }
        if !imagenet, let option = imageNet.given() {
            throw ValidationError("\(option) is for ImageNet: add --imagenet, or leave it out")
        }
    }

    func run() throws {
        let subject = imagenet ? .imageNet : Subject(images.dataset.id), folder = experiment.folder
        let (cells, reported, tables) = (try experiment.cells(subject), try folder.reported(), try folder.tables(subject))
        let planned = imagenet ? try imageNet.planned(images.data) : PlannedImages(images.dataset)
        let plan = CostPlan(
            cells: cells, tables: tables, reported: reported, images: planned, precision: precision, threads: computing.threads.count,
            cluster: nodes.map { ClusterCost(nodes: $0, network: network ?? 10) })
        let estimates = try plan.estimates()
        guard !json else {
            return say(
                try jsonText(
                    CellList(
                        runProtocol: cells.runProtocol.rawValue, dataset: planned.dataset.name, trainImages: planned.train,
                        testImages: planned.test,
                        threads: computing.threads.count, precision: precision.rawValue, cells: estimates), isPretty: true))
        }
        print(
            """
            protocol \(cells.runProtocol.rawValue), \(planned.inWords), \(computing.threads.count) threads, \(precision.rawValue): as \
            `reproduce \
            \(subject.tables[0])` with the same options; a quantized cell needs its network's float cell first

            """)
        print(plan.table(estimates).markdown)
    }
}
