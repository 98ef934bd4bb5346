// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// How long and on what a table is run: `paper` is the published schedule, `short` and `brief` shrunk ones, `smoke` minutes.
public enum RunProtocol: String, CaseIterable, Sendable { case smoke, brief, short, paper }

/// One cell of a published table: a recipe with a name.
public struct ExperimentCell: Equatable, Sendable {
    public let name: String
    public let recipe: Recipe
    public var isFloat: Bool { recipe.method == .float }
}

/// The cells of a published table under one protocol, read from `Experiments/`.
///
/// A cell's recipe is the base recipe, overridden by the base's section for the phase (`float` or `quantized`), by the
/// protocol's section, and by the cell: each file holds only what differs.
public struct ExperimentTable: Sendable {
    public let name: String
    public let runProtocol: RunProtocol
    public let cells: [ExperimentCell]

    /// - Parameter folder: `Experiments/`.
    /// - Throws: `FileError` or `RecipeError` naming the file and the key.
    public init(_ name: String, runProtocol: RunProtocol, folder: String) throws {
        var table = try Settings(contentsOf: "\(folder)/\(name).yaml")
        guard let baseName = try table.take(string: "base") else { throw RecipeError("\(table.source) needs the key base") }
        let entries = try table.take(list: "cells")
        try table.expectEmpty(allowed: "base, cells")
        var base = try Settings(contentsOf: "\(folder)/\(baseName)")
        var schedule = try Settings(contentsOf: "\(folder)/protocols/\(runProtocol.rawValue).yaml")
        let phases = try (base.takePhases(), schedule.takePhases())
        try schedule.expectEmpty(allowed: "float, quantized")
        (self.name, self.runProtocol) = (name, runProtocol)
        cells = try entries.compactMap { entry in
            var cell = entry
            guard let name = try cell.take(string: "cell") else { throw RecipeError("\(cell.source) needs the key cell") }
            if let only = try cell.take(strings: "protocols"), !only.contains(runProtocol.rawValue) { return nil }
            let isFloat = cell.isFloat
            let layers = [isFloat ? phases.0.float : phases.0.quantized, isFloat ? phases.1.float : phases.1.quantized, cell]
            return ExperimentCell(name: name, recipe: try layers.reduce(base) { $0.overridden(by: $1) }.named(cell.source).recipe())
        }
        if let twice = Dictionary(grouping: cells, by: \.name).first(where: { $0.value.count > 1 })?.key {
            throw RecipeError("\(table.source): two cells are named \(twice)")
        }
    }

    /// The cells asked for, in the table's order, each quantized one preceded by the float run it starts from.
    /// - Parameter names: `nil` for all.
    /// - Throws: `RecipeError` naming an unknown cell and the known ones.
    public func selection(_ names: [String]?) throws -> [ExperimentCell] {
        guard let names else { return cells }
        if let unknown = names.first(where: { name in !cells.contains { $0.name == name } }) {
            throw RecipeError(
                "\(self.name) has no cell \(unknown) in protocol \(runProtocol.rawValue); it has "
                    + cells.map(\.name).joined(separator: ", "))
        }
        let asked = cells.filter { names.contains($0.name) }
        let needed = Set(asked.map(\.name) + (try asked.filter { !$0.isFloat }.map { try warmStart(of: $0).name }))
        return cells.filter { needed.contains($0.name) }
    }

    /// The float cell of the same network.
    public func warmStart(of cell: ExperimentCell) throws -> ExperimentCell {
        guard let float = cells.first(where: { $0.isFloat && $0.recipe.network == cell.recipe.network }) else {
            throw RecipeError("\(name) has no float cell for \(cell.recipe.network), which \(cell.name) starts from")
        }
        return float
    }
}

extension Settings {
    fileprivate mutating func takePhases() throws -> (float: Settings, quantized: Settings) {
        (try take(mapping: "float"), try take(mapping: "quantized"))
    }
}
