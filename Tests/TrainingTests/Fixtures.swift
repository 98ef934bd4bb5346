// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import Statistics
import Training

/// 8×8×3 images of four classes that differ in one channel's mean, with noise: learned in a few epochs.
func syntheticDataset(name: String = "synthetic", train: Int = 150, test: Int = 60) -> ImageDataset {
    func split(_ count: Int, stream: UInt64) -> ImageSplit {
        var random = Philox(seed: 11, stream: stream)
        let labels = (0..<count).map { UInt8($0 % 4) }
        let images = labels.flatMap { label in
            (0..<192).map { UInt8(clamping: Int(100 + 40 * random.normal()) + ($0 % 3 == Int(label) % 3 ? 60 : 0) + 20 * Int(label)) }
        }
        let normalization = PixelNormalization(mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2])
        return ImageSplit(height: 8, width: 8, channels: 3, images: images, labels: labels, normalization: normalization)
    }
    return ImageDataset(name: name, classes: ["a", "b", "c", "d"], train: split(train, stream: 1), test: split(test, stream: 2), isOfficial: true)
}

/// A folder that is removed with the object.
final class TemporaryFolder {
    let path = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, to name: String) throws -> String {
        let file = "\(path)/\(name)"
        try FileManager.default.createDirectory(atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        return file
    }
}

let baseRecipe = """
    network: resnet8
    method: float
    weight_bits: 32
    activation_bits: 32
    quantized_layers: all
    blending: 1.0e-2
    input_derivative: clipped-relu
    resolution_derivative: three-valued
    batch_size: 32
    epochs: 4
    rate: 0.05
    rate_divisor: 10
    milestones: [3]
    resolution_rate_factor: 0.01
    resolution_minimum: 1.0e-3
    momentum: 0.9
    weight_decay: 1.0e-4
    crop_padding: 1
    flip: true
    """

/// The base recipe with some values replaced or added, as YAML would have them.
func recipe(_ changes: [String: String] = [:]) throws -> Recipe {
    let base = baseRecipe.split(separator: "\n").map { $0.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) } }
    let settings = Dictionary(uniqueKeysWithValues: base.map { ($0[0], $0[1]) }).merging(changes) { _, new in new }
    // Words have quotes in JSON.
    let json = settings.map { key, value in "\"\(key)\": " + (value.contains { !"0123456789.eE+-[], ".contains($0) } && !["true", "false"].contains(value) ? "\"\(value)\"" : value) }
    let recipe = try JSONDecoder().decode(Recipe.self, from: Data("{\(json.joined(separator: ", "))}".utf8))
    try recipe.validate()
    return recipe
}

let quantizedChanges = ["method": "bcgd", "weight_bits": "1", "activation_bits": "4"]

struct SilentObserver: TrainingObserver {
    mutating func stepped(_ state: TrainingState) {}
    mutating func finishedEpoch(_ state: TrainingState) throws {}
}
