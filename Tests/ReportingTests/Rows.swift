// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Reporting

let experiments = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Experiments").path

/// A run of 10,000 test images; the cell's name is `resnet20-1w4a-METHOD`.
func row(
    dataset: String = "fashion-mnist", method: String = "bcgd", cell: String? = nil, blending: Double = 1e-5, seed: UInt64 = 1,
    correct: Int? = 9123, best: Int? = 9150, digest: String = "0123abcd", origin: RunProvenance.DataOrigin = .official,
    precision: String = "f32", images: Int = 10000, top5: Int? = nil
) throws -> RunRow {
    RunRow(
        cell: RunCell(
            name: cell ?? "resnet20-1w4a-\(method)", dataset: dataset, network: "resnet20", weightBits: 1, activationBits: 4,
            method: method, quantizedLayers: "all", blending: blending, inputDerivative: "clipped-relu",
            resolutionDerivative: "three-valued", protocolName: "smoke"),
        seed: seed, epochs: 3, testImages: images, correctFinal: correct, correctBest: best, top5Final: top5,
        reportedIn: try ReportedValues(contentsOf: experiments + "/reported.csv"),
        provenance: RunProvenance(
            seconds: 12.34, threads: 2, precision: precision, commit: "abc1234", recipe: "paper", recipeDigest: digest, dataOrigin: origin,
            how: "reproduce table1 --protocol smoke, \"quoted\""))
}
