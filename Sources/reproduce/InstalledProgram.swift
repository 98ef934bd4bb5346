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

    /// The same for a script: from the current folder where that is the package's, else from anywhere.
    static var file: String {
        let built = ".build/release/reproduce"
        return isBuilt && URL(fileURLWithPath: built).resolvingSymlinksInPath().path == path ? built : path
    }

    /// Whether the current folder is that of the package which the program was built in.
    private static var isBuilt: Bool { path.hasPrefix(FileManager.default.currentDirectoryPath + "/.build") }

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
