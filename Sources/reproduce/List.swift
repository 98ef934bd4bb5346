// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import Experiments

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the cells of all tables and figures, what they cost on this machine, and what is reported.",
        discussion: """
            The cost is measured: a few steps of each network on this machine, times the steps of the schedule, for the data set, \
            protocol, precision and threads that `reproduce table1` (with --imagenet: table3; with --dataset mnist: table4) uses with the same options.
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
        let subject = imagenet ? .imageNet : Subject(images.dataset.id), folder = experiment.folder
        let (cells, reported, tables) = (try experiment.cells(subject), try folder.reported(), try folder.tables(subject))
        let planned = imagenet ? try imageNet.planned(images.data) : PlannedImages(images.dataset)
        let plan = CostPlan(cells: cells, tables: tables, reported: reported, images: planned, precision: precision, threads: computing.threads.count)
        let table = try plan.table()
        print("""
            protocol \(cells.runProtocol.rawValue), \(planned.inWords), \(computing.threads.count) threads, \(precision.rawValue): as `reproduce \
            \(subject.tables[0])` with the same options; a quantized cell needs its network's float cell first

            """)
        print(table.markdown)
    }
}
