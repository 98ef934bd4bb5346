// SPDX-License-Identifier: GPL-3.0-or-later
import Training
import Yams

/// A product of settings, as an entry of `cells.yaml` writes it:
///
///     cell: "{network}-{weight_bits}w4a-{method}{quantized_layers}"
///     grid: { network: [resnet20, vgg11], weight_bits: [1, 2, 4], method: [bcgd, bc], quantized_layers: { "": all, -inner: inner } }
///     activation_bits: 4
///
/// stands for one cell for each combination of the axes' values, the last axis fastest. The cell's name holds each axis in braces,
/// and has there the value, or the word that stands before it.
extension Settings {
    private struct Axis {
        let key: String
        let points: [(word: String, setting: Setting)]
    }

    private static let mostCells = 1000

    /// The entry itself, or the cells that its grid stands for.
    /// - Throws: `RecipeError` naming the file, the line and the key.
    func expandedGrid() throws -> [Settings] {
        var entry = self
        guard let grid = entry.take("grid") else { return [self] }
        guard let mapping = grid.value.mapping, !mapping.isEmpty else {
            throw RecipeError("\(grid.place): grid must be a mapping of keys to lists of their values, not \(grid.value.shown)")
        }
        let axes = try mapping.map { try axis($0, $1, in: grid) }
        for axis in axes where entry.has(axis.key) || axes.count(where: { $0.key == axis.key }) > 1 {
            throw RecipeError("\(grid.place): \(axis.key) is given twice, in the grid and beside it or twice in the grid: leave one out")
        }
        guard axes.reduce(1, { $0 > Self.mostCells ? $0 : $0 * $1.points.count }) <= Self.mostCells else {
            throw RecipeError("\(grid.place): grid stands for more than \(Self.mostCells) cells")
        }
        guard let name = entry.take("cell") else { throw RecipeError("\(source) needs the key cell") }
        let template = try Self.template(name, axes.map(\.key))
        let combinations = axes.reduce([[]]) { all, axis in all.flatMap { start in axis.points.map { start + [$0] } } }
        return combinations.map { points in
            let words = Dictionary(uniqueKeysWithValues: points.map { ($0.setting.key, $0.word) })
            let filled = template.replacing(/\{([^{}]*)\}/) { words[Recipe.Key.storedName(String($0.1))] ?? "" }
            return entry.adding([Setting(key: "cell", value: Node(filled), place: name.place)] + points.map(\.setting))
        }
    }

    private func axis(_ key: Node, _ values: Node, in grid: Setting) throws -> Axis {
        let place = place(of: key, or: grid.place)
        guard let key = key.plainText(orQuoted: true).map(Recipe.Key.storedName), !["cell", "grid", "protocols"].contains(key) else {
            throw RecipeError("\(place): an axis of a grid is a key of a recipe, or base, not \(key.shown)")
        }
        func point(_ word: String?, _ value: Node) throws -> (String, Setting) {
            guard let word else {
                throw RecipeError(
                    "\(place): \(key): a value of the grid that is no word or number needs a word before it, as in { word: value }, not "
                        + "\(value.shown)"
                )
            }
            return (word, Setting(key: key, value: value, place: self.place(of: value, or: place)))
        }
        let points =
            try values.sequence?.map { try point($0.plainText(orQuoted: true), $0) }
            ?? values.mapping?.map { try point($0.plainText(orQuoted: true), $1) } ?? []
        guard !points.isEmpty else {
            throw RecipeError("\(place): \(key) must be a list of values, or a mapping of words to values, not \(values.shown)")
        }
        return Axis(key: key, points: points)
    }

    /// The cell's name with its axes in braces.
    private static func template(_ name: Setting, _ axes: [String]) throws -> String {
        let text = name.value.plainText(orQuoted: true) ?? ""
        let named = text.matches(of: /\{([^{}]*)\}/).map { Recipe.Key.storedName(String($0.1)) }
        if let unknown = named.first(where: { !axes.contains($0) }) {
            throw RecipeError(
                "\(name.place): cell names {\(unknown)}, which is no axis of the grid; there are \(axes.joined(separator: ", "))")
        }
        if let missing = axes.first(where: { !named.contains($0) }) {
            throw RecipeError(
                "\(name.place): cell must name every axis of the grid, and {\(missing)} is missing in \(name.value.shown): several cells "
                    + "would have one name"
            )
        }
        return text
    }
}
