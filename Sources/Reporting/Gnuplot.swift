// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// A figure: gnuplot commands and the tables that they plot.
public struct Figure: Sendable {
    /// Names the files: `NAME.gp`, `NAME.svg`, `NAME.png`.
    public let name: String
    /// gnuplot commands, `plot` included, that neither choose a terminal nor an output; they run once for each format.
    /// Tables are plotted by file name and column name: `plot "loss.csv" using "epoch":"loss"`.
    public let body: String
    /// The tables by file name (`loss.csv`), written beside the script.
    public let data: [(file: String, table: CSVTable)]

    /// - Precondition: names without a slash or a quote.
    public init(name: String, body: String, data: [(file: String, table: CSVTable)]) {
        precondition(([name] + data.map(\.file)).allSatisfy { !$0.isEmpty && !$0.contains { "/'\"\n".contains($0) } }, "a plain file name")
        self.name = name
        self.body = body
        self.data = data
    }

    /// What gnuplot reads, by file name: the tables and the script.
    public var inputs: [(file: String, text: String)] { data.map { ($0, $1.text) } + [("\(name).gp", script)] }

    /// The script; `gnuplot NAME.gp` in its folder draws the figure again, byte for byte with the same gnuplot and fonts.
    public var script: String {
        // Reset for each format, so that what the body sets for one does not reach the other.
        let commands = "reset\n" + FigureStyle.commands + "\n" + FigureStyle.terminal + "\nset output \"\(name).\" . extension\n" + body
        let indented = commands.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "    \($0)" }
        return "# Draws \(name).svg and \(name).png; by hand, in this folder: gnuplot \(name).gp\n"
            + "do for [extension in \"svg png\"] {\n\(indented.joined(separator: "\n"))\n}\nset output\n"
    }
}

/// Text as a single-quoted gnuplot string, in which nothing is special (plot it `noenhanced`).
public func gnuplotString(_ text: String) -> String {
    "'" + text.map { $0.isNewline ? " " : $0 == "'" ? "''" : String($0) }.joined() + "'"
}

/// A figure that could not be drawn; the message says why and what to do.
public struct GnuplotError: Error, CustomStringConvertible, Equatable {
    public let description: String
}

/// The gnuplot program.
public struct Gnuplot: Sendable {
    private let program: String

    /// - Parameter path: folders to search, separated by colons; the environment's PATH when nil.
    /// - Throws: `GnuplotError` when there is no gnuplot.
    public init(path: String? = nil) throws {
        let folders = (path ?? ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        guard let found = folders.map({ "\($0)/gnuplot" }).first(where: FileManager.default.isExecutableFile) else {
            throw GnuplotError(description: "figures need gnuplot, which is not on the PATH; install it by ./setup.sh")
        }
        program = found
    }

    /// Writes the script and its data into `folder` (made when missing) and draws `NAME.svg` and `NAME.png` there.
    /// - Throws: `FileError` when a file cannot be written or gnuplot not be started; `GnuplotError` with gnuplot's message
    ///   when it fails, and then leaves the script and the data but no picture.
    public func draw(_ figure: Figure, in folder: String) throws {
        try makeFolder(folder)
        for (file, text) in figure.inputs { try writeAtomically(Data(text.utf8), to: "\(folder)/\(file)") }
        let pictures = ["svg", "png"].map { "\(folder)/\(figure.name).\($0)" }
        // -d: the user's start-up file does not change the figure.
        let run = try runTool(
            program, ["-d", "-e", "cd \(gnuplotString(folder))", "\(figure.name).gp"], package: "gnuplot-nox", outlivesInterrupt: true)
        let empty = pictures.filter { (try? FileManager.default.attributesOfItem(atPath: $0)[.size] as? Int) ?? 0 == 0 }
        guard run.status == 0, empty.isEmpty else {
            for picture in pictures { unlink(picture) }
            let message = run.errors.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
                .filter { !$0.isEmpty && $0 != "^" }.joined(separator: "; ")
            throw GnuplotError(description: "gnuplot could not draw \(folder)/\(figure.name).gp: \(message.isEmpty ? "status \(run.status)" : message)")
        }
    }
}
