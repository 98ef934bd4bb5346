// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Reporting
import Training

/// `runs/RUN/diagnostics.csv`: what quantization does to each layer, a row for each epoch and layer. Activations fill the columns
/// `step_size` to `rms`, weights those after them.
public struct DiagnosticsTable {
    /// A column that a chart can show.
    public struct Quantity: Sendable {
        public let column, title: String
    }
    public static let quantities = [
        Quantity(column: "step_size", title: "step size α"),
        Quantity(column: "saturated_percent", title: "inputs above the grid (x > qmax·α), %"),
        Quantity(column: "zero_percent", title: "inputs that become 0, %"),
        Quantity(column: "mean", title: "mean of the positive inputs, in α"),
        Quantity(column: "rms", title: "root mean square of the positive inputs, in α"),
        Quantity(column: "weight_zero_percent", title: "integer weights that are 0, %"),
        Quantity(column: "weight_distance", title: "‖w_f − w_q‖/‖w_f‖"),
        Quantity(column: "weight_changes_percent", title: "integer weights that a step changes, %")
    ]
    private static let header = ["run", "recipe_digest", "seed", "epoch", "layer"] + quantities.map(\.column) + ["n_images", "commit"]

    /// Rows of later epochs than a run's, from a session whose end was lost, are taken over by its own.
    /// - Parameters:
    ///   - changes: of each of `weights`, in percent a step; nil where they are not known.
    ///   - images: that the activations were measured on.
    /// - Throws: `FileError` when the table there cannot be read or replaced.
    static func record(
        _ activations: [ActivationDiagnostics], _ weights: [WeightDiagnostics], changes: [Double]?, images: Int, epoch: Int,
        of run: RunDescription, recipe: String, commit: String,
        in path: String
    ) throws {
        let known = try CSVTable.ifPresent(path, columns: header)
        let kept = known.map { table in table.header == header ? table.rows.filter { Int($0[3]).map { $0 < epoch } ?? false } : [] } ?? []
        // Programs before this one wrote another digest.
        let earlier = kept.map { [$0[0], recipe] + $0.dropFirst(2) }
        let identity = [run.name, recipe, "\(run.seed)", "\(epoch)"]
        let ofActivations = activations.map { layer in
            identity + [layer.layer]
                + [layer.stepSize, 100 * layer.saturated, 100 * layer.zero, layer.mean, layer.rms, nil, nil, nil].map(text) + [
                    "\(images)", commit
                ]
        }
        let ofWeights = weights.indices.map { index in
            let layer = weights[index], numbers = [nil, nil, nil, nil, nil, 100 * layer.zero, layer.distance, changes?[index]]
            return identity + [layer.layer] + numbers.map(text) + ["", commit]
        }
        try CSVTable(header: header, rows: earlier + ofActivations + ofWeights).write(to: path)
    }

    private static func text(_ number: Double?) -> String { number.map(sixDigits) ?? "" }

    private let table: CSVTable

    /// Nil where the run has none.
    /// - Throws: `FileError` when it cannot be read.
    init?(_ path: String) throws {
        guard let table = try CSVTable.ifPresent(path, columns: Self.header) else { return nil }
        self.table = table
    }

    /// Of each layer that has it, by epoch.
    func curves(_ quantity: Quantity) -> [ValidationCurve] {
        var layers: [String] = [], values: [String: [Int: Double]] = [:]
        for row in table.rows.indices {
            guard let epoch = Int(table[row, "epoch"]), OutputFolder.epochs.contains(epoch),
                let value = Double(table[row, quantity.column]), value.isFinite
            else { continue }
            let layer = table[row, "layer"]
            if values[layer] == nil { layers.append(layer) }
            values[layer, default: [:]][epoch] = value
        }
        return layers.map { ValidationCurve(label: $0, runs: [values[$0] ?? [:]]) }
    }
}
