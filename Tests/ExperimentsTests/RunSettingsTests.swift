// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Experiments
import Foundation
import TestSupport
import Testing
import Training

@Suite struct RunSettingsTests {
    private func settings(_ name: String, _ runProtocol: RunProtocol = .smoke, _ precision: Precision = .f32) throws -> RunSettings {
        let cells = try ExperimentCells(runProtocol, folder: experiments)
        return try cells.settings(of: try #require(cells.cells.first { $0.name == name }), startingIn: precision)
    }

    /// From the recipes in Experiments/: what differs is named with both values, in the run and in its float run.
    @Test func changesNameTheKeys() throws {
        let run = try settings("resnet20-1w4a-bcgd", .brief)
        #expect(run.changes(from: run).isEmpty)
        #expect(try settings("resnet20-1w4a-bcgd", .brief, .mixed).changes(from: run) == ["precision of the float run: f32, now mixed"])
        #expect(try settings("resnet20-1w4a-bc", .brief).changes(from: run) == ["method: bcgd, now bc"])
        let longer = try settings("resnet20-1w4a-bcgd", .short).changes(from: run)
        #expect(longer.contains("epochs: 10, now 30") && longer.contains("epochs of the float run: 15, now 30"), "\(longer)")
    }

    /// With another number of runs before it, each setting is still told from its own: a cell that now starts from another cell's run.
    @Test func changesOfLongerChains() throws {
        let all = try ExperimentCells(.smoke, folder: experiments)
        func recipe(_ name: String) throws -> Recipe { try #require(all.cells.first { $0.name == name }).recipe }
        let (float, first, last) = (try recipe("resnet8-float"), try recipe("resnet8-1w4a-bc"), try recipe("resnet8-1w4a-bcgd"))
        let short = RunSettings(recipe: last, before: [float], startingIn: .f32, pretrained: "")
        let long = RunSettings(recipe: last, before: [float, first], startingIn: .f32, pretrained: "")
        let changes = long.changes(from: short)
        #expect(
            changes.contains("method of an earlier run: no such run, now bc") && changes.allSatisfy { $0.contains("of an earlier run") })
        #expect(short.changes(from: long).contains("method of an earlier run: bc, now no such run"))
    }

    /// Read back from its file; a file that was changed, or renamed, is not believed.
    @Test func filesHoldWhatTheirNamesSay() throws {
        let temporary = try TemporaryFolder(), folder = temporary.path
        let run = try settings("resnet8-1w4a-bcgd"), path = "\(folder)/\(run.digest).json"
        try run.text.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try RunSettings(contentsOf: path) == run)
        let changed = run.text.replacingOccurrences(of: "\"batch_size\":128", with: "\"batch_size\":64")
        try #require(changed != run.text)
        for text in [changed, "", "{}", "null"] {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(throws: (any Error).self) { try RunSettings(contentsOf: path) }
        }
    }
}
