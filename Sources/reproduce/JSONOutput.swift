// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments
import Foundation

/// What commands print with `--json` (Documentation/JSON.md): keys in the order of the alphabet, UTF-8.
struct JSONOption: ParsableArguments {
    @Flag(help: "Print JSON instead (Documentation/JSON.md).")
    var json = false
}

/// - Parameter isPretty: over many lines, for one object; else on one.
func jsonText(_ value: some Encodable, isPretty: Bool = false) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// `list --json`: one object.
struct CellList: Codable {
    let runProtocol, dataset: String
    let trainImages, testImages, threads: Int
    let precision: String
    let cells: [CostPlan.Estimate]

    enum CodingKeys: String, CodingKey {
        case runProtocol = "protocol"
        case dataset, trainImages, testImages, threads, precision, cells
    }
}

/// `classify --json`: one object a line for each image.
struct ClassifiedImage: Codable {
    struct Prediction: Codable {
        let name: String
        let probability: Double
    }
    let image: String
    /// The best ones, the best first.
    var classes: [Prediction]?
    /// Of all classes in the model's order, with `--scores`.
    var scores: [Float]?
    /// Why it could not be classified; then there is nothing else.
    var error: String?
}

/// `evaluate --json`: one object a line for each checkpoint.
struct EvaluatedRun: Codable {
    let checkpoint, run, file: String
    /// Of the test images.
    let correct, images: Int
}
