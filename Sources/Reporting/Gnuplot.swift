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
    /// In pixels of the PNG.
    public let size: (width: Int, height: Int)

    /// - Precondition: names by `isFileName`.
    public init(name: String, body: String, data: [(file: String, table: CSVTable)], size: (width: Int, height: Int) = (900, 600)) {
        precondition(([name] + data.map(\.file)).allSatisfy(Self.isFileName), "a plain file name")
        self.name = name
        self.body = body
        self.data = data
        self.size = size
    }

    /// Whether a name may stand in a script: ASCII letters, digits and `-_.`, the first none of these. Others could end the quotes
    /// around them, or be commands in backquotes.
    public static func isFileName(_ name: String) -> Bool { name.wholeMatch(of: /[A-Za-z0-9][A-Za-z0-9._-]*/) != nil }

    /// What gnuplot reads, by file name: the tables and the script.
    public var inputs: [(file: String, text: String)] { data.map { ($0, $1.text) } + [("\(name).gp", script())] }
    /// What it draws, by file name.
    public var pictures: [String] { ["svg", "png"].map { "\(name).\($0)" } }

    /// The script; `gnuplot NAME.gp` in its folder draws the figure again, byte for byte with the same gnuplot and fonts.
    /// - Parameter ending: after the pictures' names.
    func script(ending: String = "") -> String {
        // Reset for each format, so that what the body sets for one does not reach the other.
        let commands =
            "reset\n" + FigureStyle.commands + "\n" + FigureStyle.terminal(size)
            + "\nset output \"\(name).\" . extension\(ending.isEmpty ? "" : " . \"\(ending)\"")\n" + body
        let indented = commands.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "    \($0)" }
        return "# Draws \(name).svg and \(name).png; by hand, in this folder: gnuplot \(name).gp\n"
            + "do for [extension in \"svg png\"] {\n\(indented.joined(separator: "\n"))\n}\nset output\n"
    }
}

/// Text as a gnuplot string that reads the same, a blank for what ends a line or controls (plot it `noenhanced`).
///
/// In single quotes, in which nothing is special but the quote. Text with a quote is in octal: gnuplot 5.4 does not know a doubled
/// quote at a string's beginning. By scalars, as gnuplot reads: a quote that a combining mark follows is another character to Swift.
public func gnuplotString(_ text: String) -> String {
    let scalars = text.unicodeScalars.map { isLineEndOrControl($0) ? " " : $0 }
    let line = scalars.map { String($0) }.joined()
    return scalars.contains("'") ? gnuplotOctal(line) : "'\(line)'"
}

/// A path as a gnuplot string. A leading ~ would stand for a home.
private func gnuplotPath(_ path: String) -> String { gnuplotOctal(path.hasPrefix("/") ? path : "./" + path) }

/// A double-quoted gnuplot string of these bytes, whatever they are: all but plain ones in octal, so that gnuplot finds neither the
/// end of the string nor backquotes nor macros in it.
private func gnuplotOctal(_ text: String) -> String {
    "\"" + text.utf8.map { "/.-_ ".utf8.contains($0) || isLetterOrDigit($0) ? String(UnicodeScalar($0)) : octal($0) }.joined() + "\""
}

private func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
}

/// Whether a scalar ends a line or controls something, so that a blank takes its place in text for others.
func isLineEndOrControl(_ scalar: Unicode.Scalar) -> Bool {
    [.control, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
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

    /// Writes the script and its data into `folder` (made when missing) and draws `NAME.svg` and `NAME.png` there: under other
    /// names, which become these when the pictures are whole.
    /// - Throws: `FileError` when a file cannot be written or gnuplot not be started; `GnuplotError` with gnuplot's message
    ///   when it fails or a picture is not whole. Then the script and the data are there, but no picture.
    public func draw(_ figure: Figure, in folder: String) throws {
        try makeFolder(folder)
        for (file, text) in figure.inputs { try writeAtomically(Data(text.utf8), to: "\(folder)/\(file)") }
        let pictures = figure.pictures.map { "\(folder)/\($0)" }, script = "\(figure.name).gp\(Self.part)"
        defer { for path in pictures + ["\(folder)/\(figure.name).gp"] { unlink(path + Self.part) } }
        do {
            try writeAtomically(Data(figure.script(ending: Self.part).utf8), to: "\(folder)/\(script)")
            // -d: the user's start-up file does not change the figure.
            let run = try runTool(
                program, ["-d", "-e", "cd \(gnuplotPath(folder))", script], package: "gnuplot-nox", outlivesInterrupt: true)
            let damaged = pictures.filter { !isWholePicture($0 + Self.part) }
            guard run.status == 0, damaged.isEmpty else {
                let message = run.errors.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
                    .filter { !$0.isEmpty && $0 != "^" }.joined(separator: "; ").replacingOccurrences(of: script, with: "\(figure.name).gp")
                let state = run.status == 0 ? "\(damaged[0]) came out cut off or damaged; is the disk full?" : "status \(run.status)"
                throw GnuplotError(description: "gnuplot could not draw \(folder)/\(figure.name).gp: \(message.isEmpty ? state : message)")
            }
            for picture in pictures { try replace(picture, by: picture + Self.part) }
        } catch {
            for picture in pictures { unlink(picture) }
            throw error
        }
    }

    private static let part = ".part"
}
