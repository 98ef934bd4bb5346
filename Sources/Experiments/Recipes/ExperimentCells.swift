// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Files
import Foundation
import Reporting
import Training

/// How long and on what a table is run: `paper` is the published schedule, `short` and `brief` shrunk ones, `smoke` minutes.
public enum RunProtocol: String, CaseIterable, Sendable {
    case smoke, brief, short, paper

    static var longestFirst: [RunProtocol] { allCases.reversed() }
}

/// Something to train, under a name that is the same in every table and figure that shows it.
public struct ExperimentCell: Equatable, Sendable {
    public let name: String
    public let recipe: Recipe
    /// The base recipe's file without its ending, such as `paper`.
    public let recipeName: String
    /// The cell whose finished run it starts from; `nil` for a quantized one from the float cell of its network, for a float one from
    /// random weights.
    public let start: String?
    public var isFloat: Bool { recipe.method == .float }

    public init(name: String, recipe: Recipe, recipeName: String, start: String? = nil) {
        (self.name, self.recipe, self.recipeName, self.start) = (name, recipe, recipeName, start)
    }
}

/// All cells of `Experiments/cells.yaml` that one protocol runs.
///
/// An entry with a `grid` stands for several cells (`CellGrid.swift`). A cell's recipe is the base recipe, overridden by the base's section
/// for the phase (`float` or `quantized`), by the
/// protocol's section, and by the cell: each file holds only what differs.
public struct ExperimentCells: Sendable {
    public let runProtocol: RunProtocol
    public private(set) var cells: [ExperimentCell]
    /// Which protocols run a cell, by its name.
    private let protocolsByCell: [String: [RunProtocol]]

    /// - Parameters:
    ///   - runProtocol: how long the cells train.
    ///   - folder: `Experiments/`.
    /// - Throws: `FileError` or `RecipeError` naming the file and the key.
    public init(_ runProtocol: RunProtocol, folder: String) throws {
        var file = try Settings(contentsOf: "\(folder)/cells.yaml")
        guard let commonBase = try file.take(string: "base") else { throw RecipeError("\(file.source) needs the key base") }
        let entries = try file.take(list: "cells").flatMap { try $0.expandedGrid() }
        try file.expectEmpty(allowed: "base, cells")
        var schedule = try Settings(contentsOf: "\(folder)/protocols/\(runProtocol.rawValue).yaml")
        let schedules = try schedule.takePhases()
        try schedule.expectEmpty(allowed: "float, quantized")
        var (names, bases) = ([(cell: String, protocols: [RunProtocol])](), [String: Settings]())
        self.runProtocol = runProtocol
        cells = try entries.compactMap { entry in
            var cell = entry
            guard let name = try cell.take(string: "cell") else { throw RecipeError("\(cell.source) needs the key cell") }
            guard isName(name) else { throw RecipeError("\(cell.source): a cell's name is letters, digits and -_.+, not \"\(name)\"") }
            let start = try cell.take(string: "start")
            let baseName = try cell.take(string: "base") ?? commonBase
            guard isPlainText(baseName) else { throw RecipeError("\(cell.source): base must be \(plainTextRule)") }
            let only = try cell.take(strings: "protocols") ?? RunProtocol.allCases.map(\.rawValue)
            if let unknown = only.first(where: { RunProtocol(rawValue: $0) == nil }) {
                throw RecipeError("\(cell.source): unknown protocol \(unknown); there are \(listed(RunProtocol.allCases))")
            }
            names.append((name, RunProtocol.allCases.filter { only.contains($0.rawValue) }))
            guard only.contains(runProtocol.rawValue) else { return nil }
            var base = try bases[baseName] ?? Settings(contentsOf: "\(folder)/\(baseName)")
            bases[baseName] = base
            let phases = try base.takePhases()
            let layers = [cell.isFloat ? phases.float : phases.quantized, cell.isFloat ? schedules.float : schedules.quantized, cell]
            return ExperimentCell(
                name: name, recipe: try layers.reduce(base) { $0.overridden(by: $1) }.named(cell.source).recipe(),
                recipeName: (baseName as NSString).deletingPathExtension, start: start)
        }
        if let twice = Dictionary(grouping: names, by: \.cell).first(where: { $0.value.count > 1 })?.key {
            throw RecipeError("\(file.source): two cells are named \(twice)")
        }
        protocolsByCell = Dictionary(uniqueKeysWithValues: names.map { ($0.cell, $0.protocols) })
        for cell in cells where cell.start != nil { _ = try predecessors(of: cell) }
    }

    /// All of them with the recipe's key `shards`, whatever they say; nil leaves them as they are.
    /// - Throws: `RecipeError` for a number that cannot be.
    public func sharded(_ shards: Int?) throws -> ExperimentCells {
        guard let shards else { return self }
        var others = self
        others.cells = try cells.map { cell in
            var recipe = cell.recipe
            recipe.shards = shards
            try recipe.validate()
            return ExperimentCell(name: cell.name, recipe: recipe, recipeName: cell.recipeName, start: cell.start)
        }
        return others
    }

    /// The recipe of the cell of this name.
    /// - Throws: `RecipeError` naming the cells that there are.
    public func recipe(of cell: String) throws -> Recipe {
        guard let found = cells.first(where: { $0.name == cell }) else {
            throw RecipeError("there is no cell \(cell); there are \(cells.map(\.name).joined(separator: ", "))")
        }
        return found.recipe
    }

    /// The cells of the tables, each once and preceded by the runs that it starts from.
    /// - Parameters:
    ///   - tables: whose cells are wanted.
    ///   - only: names of the cells to keep, among them those that cells of the tables start from; `nil` for all.
    ///   - recipe: leaves out cells of other base recipes, but for float ones that `only` names; `nil` leaves out none.
    /// - Throws: `RecipeError` naming an unknown cell and the known ones.
    public func selection(of tables: [ExperimentTable], only: [String]? = nil, recipe: String? = nil) throws -> [ExperimentCell] {
        for table in tables {
            if let unknown = table.cells.first(where: { protocolsByCell[$0] == nil }) {
                throw RecipeError("\(table.name) shows the cell \(unknown), which cells.yaml does not define")
            }
        }
        let names = tables.map(\.name).joined(separator: ", ")
        let shown = cells.filter { cell in tables.contains { $0.cells.contains(cell.name) } }
            .filter { recipe == nil || $0.recipeName == recipe || $0.isFloat && only?.contains($0.name) == true }
        if shown.isEmpty, let recipe { throw RecipeError("\(names): no cell of the recipe \(recipe) in protocol \(runProtocol.rawValue)") }
        func withPredecessors(_ cells: [ExperimentCell]) throws -> [ExperimentCell] {
            try cells.flatMap { try predecessors(of: $0).reversed() + [$0] }.uniqued()
        }
        let all = try withPredecessors(shown)
        guard let only else { return all }
        if let unknown = only.first(where: { name in !all.contains { $0.name == name } }) {
            throw RecipeError(
                "\(names): no cell \(unknown) \(recipe.map { "of the recipe \($0) " } ?? "")in protocol \(runProtocol.rawValue)"
                    + "\(whereabouts(of: unknown, besides: tables)); there are \(all.map(\.name).joined(separator: ", "))")
        }
        return try withPredecessors(all.filter { only.contains($0.name) })
    }

    /// Whether there is such a cell in any protocol.
    func defines(_ name: String) -> Bool { protocolsByCell[name] != nil }

    /// What there is of a cell that a selection does not have, for its message; empty where there is nothing.
    private func whereabouts(of name: String, besides tables: [ExperimentTable]) -> String {
        guard let own = protocolsByCell[name] else { return "" }
        guard tables.contains(where: { $0.cells.contains(name) }) else {
            return ": it is in cells.yaml, but not in \(tables.map(\.name).joined(separator: ", "))"
        }
        return cells.first { $0.name == name }.map { ": it is of the recipe \($0.recipeName)" } ?? ", but in \(listed(own))"
    }

    /// The protocols that run any of the cells.
    public func protocols(running cells: [String]) -> [RunProtocol] {
        RunProtocol.allCases.filter { each in cells.contains { protocolsByCell[$0]?.contains(each) ?? false } }
    }

    /// The cell whose run this one starts from; `nil` for random weights.
    public func start(of cell: ExperimentCell) throws -> ExperimentCell? {
        guard cell.start != nil || !cell.isFloat else { return nil }
        let start = try wantedStart(of: cell)
        guard start.recipe.network == cell.recipe.network, start.recipe.validationImages == cell.recipe.validationImages else {
            throw RecipeError(
                "\(cell.name) starts from \(start.name), which has another network or other validation_images: name a cell with the same "
                    + "by start")
        }
        guard cell.recipe.batchNormAffine || !start.recipe.batchNormAffine else {
            throw RecipeError(
                "\(cell.name) has batch_norm_affine: false, but starts from \(start.name), which learns a scale and a shift: name one "
                    + "that does not by start")
        }
        return start
    }

    /// The one that it names, or else the float cell of its network, whether they fit or not.
    private func wantedStart(of cell: ExperimentCell) throws -> ExperimentCell {
        guard let name = cell.start else {
            guard let float = cells.first(where: { $0.isFloat && $0.start == nil && $0.recipe.network == cell.recipe.network }) else {
                throw RecipeError("there is no float cell for \(cell.recipe.network), which \(cell.name) starts from")
            }
            return float
        }
        guard let start = cells.first(where: { $0.name == name }) else {
            throw RecipeError("\(cell.name) starts from \(name), which protocol \(runProtocol.rawValue) has no cell of")
        }
        return start
    }

    /// The runs before a cell's own, the one that it starts from first.
    /// - Throws: `RecipeError` naming a cell that there is not, or cells that start from each other.
    func predecessors(of cell: ExperimentCell) throws -> [ExperimentCell] {
        var found: [ExperimentCell] = []
        while let next = try start(of: found.last ?? cell) {
            guard next.name != cell.name, !found.contains(where: { $0.name == next.name }) else {
                throw RecipeError("\(cell.name) starts from itself, by way of \(found.map(\.name).joined(separator: ", "))")
            }
            found.append(next)
        }
        return found
    }

    /// All settings of a cell and of the runs it starts from, their precision included: runs of different seeds share them.
    /// - Parameters:
    ///   - cell: one of these cells.
    ///   - precision: of the runs that it starts from.
    ///   - pretrained: the digest of the file that the first of them starts from.
    public func settings(of cell: ExperimentCell, startingIn precision: Precision, pretrained: String = "") throws -> RunSettings {
        let before = try predecessors(of: cell).map(\.recipe)
        return RunSettings(recipe: cell.recipe, before: before, startingIn: before.isEmpty ? .f32 : precision, pretrained: pretrained)
    }

    /// The same of a cell that takes the weights of a file as they are, without a float run.
    public func settings(of cell: ExperimentCell, from pretrained: String) -> RunSettings {
        RunSettings(recipe: cell.recipe, before: [], startingIn: .f32, pretrained: "as it is: " + pretrained)
    }
}

private func listed(_ protocols: [RunProtocol]) -> String { protocols.map(\.rawValue).joined(separator: ", ") }

extension Settings {
    fileprivate var hasPhases: Bool { has("float") && has("quantized") }

    mutating func takePhases() throws -> (float: Settings, quantized: Settings) {
        (try take(mapping: "float"), try take(mapping: "quantized"))
    }
}

/// A recipe that others build on: a file of `Experiments/` with a section for each phase.
public struct BaseRecipe: Equatable, Sendable {
    /// The file's name without its ending, such as `paper`.
    public let name, path: String
    /// The comment that the file begins with.
    public let about: String

    /// - Throws: `FileError` when the folder cannot be read, `RecipeError` for a file that is no YAML mapping.
    public static func all(in folder: String) throws -> [BaseRecipe] {
        guard let files = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw FileError("there is no folder \(folder) here; run from the package's folder, or name it with --experiments")
        }
        return try files.filter { $0.hasSuffix(".yaml") }.sorted().compactMap { file in
            let path = "\(folder)/\(file)"
            guard try Settings(contentsOf: path).hasPhases else { return nil }
            let about = lines(of: try readText(path)).prefix { $0.hasPrefix("#") }.map { $0.drop { $0 == "#" || $0 == " " } }.joined(
                separator: " ")
            return BaseRecipe(name: (file as NSString).deletingPathExtension, path: path, about: about)
        }
    }
}
