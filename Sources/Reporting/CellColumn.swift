// SPDX-License-Identifier: GPL-3.0-or-later

/// A setting of a cell that a table may show; the raw values are those of the columns of `runs.csv`, and `bits`.
public enum CellColumn: String, CaseIterable, Sendable {
    case network, bits, method, blending
    case quantizedLayers = "quantized_layers"
    case inputDerivative = "input_derivative"
    case resolutionDerivative = "resolution_derivative"

    public var title: String {
        switch self {
        case .network: "Network"
        case .bits: "Bits"
        case .method: "Method"
        case .blending: "ρ"
        case .quantizedLayers: "Quantized layers"
        case .inputDerivative: "x-derivative"
        case .resolutionDerivative: "α-derivative"
        }
    }

    public func text(_ cell: RunCell) -> String {
        switch self {
        case .network: cell.network
        case .bits: cell.bits
        case .method: cell.method
        case .blending: cell.blending.map { $0 == 0 ? "0" : "\($0)" } ?? "–"
        case .quantizedLayers: cell.quantizedLayers.isEmpty ? "–" : cell.quantizedLayers
        case .inputDerivative: cell.inputDerivative.isEmpty ? "–" : cell.inputDerivative
        case .resolutionDerivative: cell.resolutionDerivative.isEmpty ? "–" : cell.resolutionDerivative
        }
    }
}
