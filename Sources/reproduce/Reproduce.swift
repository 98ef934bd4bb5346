// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BCGDRuntime
import BuildFacts
import Files
import Parallelism

@main
struct Reproduce: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reproduces the tables of “Blended coarse gradient descent for full quantization of deep neural networks”.",
        discussion: "Run it from the package's folder, where Experiments/ is.", version: "\(BuildFacts.commit), instruction set \(InstructionSet.best), packed models by \(Classifier.Path.best.rawValue)",
        subcommands: [
            TableOne.self, TableTwo.self, TableThree.self, TableFour.self, TableFive.self, Figures.self, All.self, Report.self, Evaluate.self, EvaluateWeights.self,
            ComparePrecision.self, Regress.self, List.self, Recipes.self, Fetch.self, ExportCommand.self, ImportCommand.self, Classify.self,
            Compare.self, CompareCheckpoints.self, Plan.self,
        ])

    static func main() {
        sleepWhenIdle()
        startProgram()
        do { try InstructionSet.checkEnvironment() } catch { exit(withError: error) }
        main(nil)
    }
}
