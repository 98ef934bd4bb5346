// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Datasets
import Files
import Foundation
import Graph
import Training

/// What a table does with weights that came in a file.
public struct PretrainedStart {
    public enum Use: Sendable {
        /// They are the float network: it is evaluated, and the quantized runs start from it.
        case asItIs
        /// The float run starts from them, and the quantized runs from that run.
        case fineTuned
    }
    public let file: PretrainedFile
    public let use: Use

    public init(_ file: PretrainedFile, _ use: Use) { (self.file, self.use) = (file, use) }
}

/// A safetensors file with the weights of a float ImageNet ResNet under torchvision's names, of f32, f16 or bf16.
public struct PretrainedFile {
    public let path: String
    public let weights: SafetensorsFile
    /// Stands for the file in descriptions of runs.
    public let digest: String

    /// - Throws: `FileError` or `SafetensorsError` when it cannot be read.
    public init(path: String) throws {
        let bytes = try readFile(path)
        let (own, notes) = try SafetensorsFile(bytes: bytes, path: path).asOwn()
        for text in notes { note(text) }
        (self.path, weights, digest) = (path, own, "file \(crc32Hex(bytes))")
        try weights.expectOwnNames(as: "conv1.weight")
    }

    /// The network whose tensors they are, by its name.
    /// - Throws: `SafetensorsError` when they are none's.
    public func network() throws -> String {
        let (input, classes) = (FeatureShape(height: 224, width: 224, channels: 3), try classCount())
        let found = try ["imagenet-resnet10", "imagenet-resnet18", "imagenet-resnet34"].first { name in
            let names = try NetworkGraph.named(name, input: input, classes: classes).parameters.map(\.name)
            return names.allSatisfy { weights.tensors[$0] != nil }
                && weights.tensors.keys.count { $0.hasSuffix(".conv1.weight") } == names.count { $0.hasSuffix(".conv1.weight") }
        }
        guard let found else {
            throw SafetensorsError("\(path) holds the weights of another network than torchvision's ResNet-18 and ResNet-34")
        }
        return found
    }

    /// How many classes its classifier has.
    /// - Throws: `SafetensorsError` when it has none.
    public func classCount() throws -> Int {
        guard let shape = weights.tensors["fc.weight"]?.shape, shape.count == 2 else {
            throw SafetensorsError("\(path) has no classifier fc.weight of two dimensions")
        }
        return shape[0]
    }

    /// The classifier's rows that belong to the data set's classes; `nil` where it has exactly those.
    /// - Throws: `FileError` when nothing says which rows those are.
    public func classes(for dataset: any Dataset) throws -> [Int]? {
        let count = try classCount()
        guard count != dataset.classes.count else { return nil }
        if count == ImageNet.classCount, let foreign = (dataset as? ImageNet)?.foreignClass {
            throw FileError(
                "\(path) has a classifier of \(count) classes, and \(foreign) of \(dataset.name) is none of ImageNet-1k's: its number in "
                    + "the class list is no place among their scores; train on it without --pretrained, or give classes of ImageNet-1k "
                    + "their ids")
        }
        guard let numbers = (dataset as? ImageNet)?.numbers else {
            throw FileError(
                "\(path) has a classifier of \(count) classes, and \(dataset.name) has \(dataset.classes.count): say with --classes which "
                    + "of them they are (Experiments/imagenet/10classes.txt is an example)")
        }
        if let place = numbers.max(), place >= count {
            throw FileError(
                "\(path) has a classifier of \(count) classes, but \(dataset.name) has one at place \(place) of ImageNet-1k's 1000: "
                    + "these are weights for other classes")
        }
        return numbers
    }
}
