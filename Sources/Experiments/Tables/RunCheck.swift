// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Training

/// Whether rows are what the cells and protocols say now: else a table would show settings that its runs did not have.
struct RunCheck {
    private let experiments: ExperimentFolder
    private let runs: String

    init(_ experiments: ExperimentFolder, _ output: OutputFolder) { (self.experiments, runs) = (experiments, output.runs) }

    /// Completes the rows' conditions by settings that a table shows since later than they were run, and takes the reported values as they
    /// are now.
    /// - Throws: `FileError` naming the run that contradicts its cell, or another of its section.
    func complete(_ rows: inout [RunRow]) throws {
        let reported = try experiments.reported()
        for index in rows.indices { rows[index].take(reported) }
        let kept = Set(rows.flatMap(\.condition.settings.keys))
        for section in Section.all(of: rows) {
            let subject = Subject(section.dataset), all = try experiments.cells(subject, section.runProtocol)
            let shown = try experiments.shownSettings(subject) + kept
            let members = rows.indices.filter { Section(rows[$0]) == section }
            for index in members {
                guard let cell = all.cells.first(where: { $0.name == rows[index].condition.cell }) else {
                    guard !all.defines(rows[index].condition.cell) else {
                        throw FileError(
                            "\(runs): \(rows[index].name) is of a cell that \(experiments.folder(of: subject))/cells.yaml no longer has in "
                                + "protocol \(section.runProtocol.rawValue)")
                    }
                    continue
                }
                try complete(
                    &rows[index], cell,
                    Condition(cell, on: section.dataset, section.runProtocol, rows[index].condition.precision, showing: shown))
            }
            try expectOneDataset(members.map { rows[$0] })
            guard let first = members.first.map({ rows[$0] }),
                let other = members.map({ rows[$0] }).first(where: { $0.testImages != first.testImages })
            else { continue }
            throw FileError(
                "\(runs): \(first.name) has \(first.testImages) test images, \(other.name) has \(other.testImages): they cannot stand in "
                    + "one table"
            )
        }
    }

    private func expectOneDataset(_ section: [RunRow]) throws {
        guard let first = section.first(where: { $0.provenance.data != nil }),
            let other = section.first(where: { $0.isOnOtherImages(than: first.provenance.data) })
        else { return }
        throw FileError(
            "\(runs): \(first.name) and \(other.name) are on different images, though both say \(first.condition.dataset) (data_crc32 "
                + "\(first.provenance.data ?? "") and \(other.provenance.data ?? "")): they cannot stand in one table")
    }

    private func complete(_ run: inout RunRow, _ cell: ExperimentCell, _ now: Condition) throws {
        guard let condition = run.condition.completed(by: now) else {
            let file = "\(experiments.folder(of: Subject(now.dataset)))/cells.yaml"
            throw FileError("\(runs): \(run.name) was run with other settings than \(file) now gives \(cell.name)")
        }
        guard run.hasEpochs(of: cell) else {
            let found = run.divergedEpoch.map { "diverged in epoch \($0)" } ?? "has \(run.epochs) epochs"
            throw FileError("\(runs): \(run.name) \(found), protocol \(now.runProtocol.rawValue) has \(cell.recipe.epochs)")
        }
        run.condition = condition
    }
}
