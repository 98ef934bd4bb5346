// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BCGDRuntime
import BuildFacts
import Collectives
import Compute
import Files
import Parallelism
import Statistics

@main
struct Reproduce: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reproduces the tables of “Blended coarse gradient descent for full quantization of deep neural networks”.",
        discussion: "Recipes are those of Experiments/ where it is run, else those that were installed beside it.", version: versions,
        subcommands: [
            TableOne.self, TableTwo.self, TableThree.self, TableFour.self, TableFive.self, Figures.self, All.self, Report.self,
            Evaluate.self, EvaluateWeights.self,
            ComparePrecision.self, Regress.self, List.self, Recipes.self, Fetch.self, ExportCommand.self, ImportCommand.self, Classify.self,
            Compare.self, CompareCheckpoints.self, Plan.self
        ])

    /// What a result depends on besides the recipe.
    private static var versions: String {
        [
            "commit \(BuildFacts.commit)", "compiler \(BuildFacts.compiler)", "oneDNN \(Engine.version)",
            "OpenBLAS \(LibraryVersions.openBLAS)",
            "GSL \(LibraryVersions.gsl)", "instruction set \(InstructionSet.best)", "packed models by \(Classifier.Path.best.rawValue)"
        ].joined(separator: "\n")
    }

    static func main() {
        sleepWhenIdle()
        startProgram()
        var command: any ParsableCommand
        do {
            try InstructionSet.checkEnvironment()
            try expectTextArguments()
            command = try parseAsRoot()
        } catch {
            endIfLaterRank(status: exitCode(for: error).rawValue)
            exit(withError: error)
        }
        do { try command.run() } catch {
            if exitCode(for: error) == .success { endIfLaterRank(status: 0) }  // help
            exit(withError: error)
        }
    }
}
