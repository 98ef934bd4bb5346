// SPDX-License-Identifier: GPL-3.0-or-later
import Theory
import Files
import Foundation
import Reporting

/// The folder that a run writes: theory.csv, theory-tests.csv, theory-power.csv, theory.md and figures/.
struct ReportFolder {
    private let path: String
    private let gnuplot: Gnuplot

    /// - Throws: `FileError` when the folder cannot be made or written, `GnuplotError` without gnuplot.
    init(_ path: String) throws {
        guard !path.isEmpty else { throw FileError("--out expects a folder, found an empty name") }
        try makeFolder(path)
        self.path = path
        gnuplot = try Gnuplot()
    }

    func write(_ text: TheoryReport) throws { try withLock(on: path) { try writeAlone(text) } }

    private func writeAlone(_ text: TheoryReport) throws {
        let tables = text.report.outcomes.flatMap(\.evidence.tables)
        let figures = theoryFigures(tables)
        try text.claims.write(to: "\(path)/theory.csv")
        try text.tests.write(to: "\(path)/theory-tests.csv")
        // That of another run stays; its rows say which (`PaperFiles` leaves it out).
        if text.power { try text.faults.write(to: "\(path)/theory-power.csv") }
        // After the numbers: what gnuplot cannot draw must not cost them.
        for (figure, _) in figures { try gnuplot.draw(figure, in: "\(path)/figures") }
        let markdown = text.markdown(figures: figures.map { ($0.figure.name, $0.caption) })
        try writeAtomically(Data(markdown.utf8), to: "\(path)/theory.md")
    }
}
