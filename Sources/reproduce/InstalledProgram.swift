// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments
import Files
import Foundation

/// Where the program lies: in the package's build folder, or in PREFIX/bin with its recipes in PREFIX/share/bcgd (`setup.sh --install`).
enum InstalledProgram {
    private static var path: String { (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "reproduce" }

    /// The words of a shell that start it: from the package's folder, unless it is installed.
    static var words: [String] { isBuilt ? ["swift", "run", "-c", "release", "reproduce"] : ["reproduce"] }

    /// The same for a script that runs it somewhere else.
    static var file: String { isBuilt ? ".build/release/reproduce" : path }

    private static var isBuilt: Bool { path.contains("/.build") }

    /// The recipes of where it is run, else those beside it; the former's name where there are neither, for the message.
    static var recipes: String {
        let beside = ((path as NSString).deletingLastPathComponent as NSString).deletingLastPathComponent + "/share/bcgd/Experiments"
        return ["Experiments", beside].first { FileManager.default.fileExists(atPath: "\($0)/cells.yaml") } ?? "Experiments"
    }
}

/// Which recipes, cells and layouts of tables.
struct RecipeOptions: ParsableArguments {
    @Option(
        name: .customLong("experiments"),
        help: ArgumentHelp(
            "Folder with recipes, cells and layouts (default: Experiments, else what is installed beside the program).", valueName: "dir"))
    var asked: String?

    var folder: ExperimentFolder { ExperimentFolder(asked ?? InstalledProgram.recipes) }
}
