// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Files
import Quantization
import Reporting
import Training

extension RunRow {
    /// - Parameter place: of the row, for the message.
    /// - Throws: `FileError` for a setting that no run of this package has.
    func checkSettings(_ place: String) throws {
        func need(_ column: String, _ found: String, _ known: [String]) throws {
            let words = known.map { $0.isEmpty ? "nothing" : $0 }.joined(separator: ", ")
            guard known.contains(found) else { throw FileError("\(place), \(column): expected one of \(words), found \"\(visible(found))\"") }
        }
        func names<Choice: CaseIterable & RawRepresentable<String>>(_: Choice.Type) -> [String] { Choice.allCases.map(\.rawValue) }
        let bits = (1...8).map { "\($0)" } + ["32"]
        try need("weight_bits", "\(cell.weightBits)", bits)
        try need("activation_bits", "\(cell.activationBits)", bits)
        let (hasWeights, hasActivations) = (cell.weightBits < 32, cell.activationBits < 32)
        try need("method", cell.method, names(Recipe.Method.self).filter { ($0 == "float") == !(hasWeights || hasActivations) })
        try need("protocol", cell.protocolName, names(RunProtocol.self))
        try need("precision", provenance.precision, names(Precision.self))
        try need("quantized_layers", cell.quantizedLayers, hasWeights ? names(Recipe.Layers.self) : [""])
        try need("input_derivative", cell.inputDerivative, hasActivations ? names(CoarseInputDerivative.self) : [""])
        try need("resolution_derivative", cell.resolutionDerivative, hasActivations ? names(CoarseResolutionDerivative.self) : [""])
        guard cell.blending.map({ hasWeights && $0 >= 0 && $0 < 1 }) ?? !hasWeights else {
            let found = cell.blending.map { "\($0)" } ?? ""
            throw FileError("\(place), blending: expected \(hasWeights ? "at least 0 and below 1" : "nothing, with float weights"), found \"\(found)\"")
        }
    }

    /// Whether the run has the epochs of its protocol: all of them, fewer where it diverged, or none for weights that came in a
    /// file and were not trained.
    func hasEpochs(of cell: ExperimentCell) -> Bool {
        let isGiven = cell.isFloat && epochs == 0 && correctBest == nil
        return divergedEpoch.map { $0 <= cell.recipe.epochs } ?? (epochs == cell.recipe.epochs || isGiven)
    }
}
