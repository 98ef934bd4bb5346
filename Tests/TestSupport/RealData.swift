// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// Data that the package does not bring: tests use it where an environment variable names it, and are skipped elsewhere.
public enum RealData: Sendable {
    case cifar10, mnist, imageNet, pretrained

    private var variable: String {
        switch self {
        case .cifar10, .mnist: "BCGD_DATA"
        case .imageNet: "BCGD_IMAGENET"
        case .pretrained: "BCGD_PRETRAINED"
        }
    }

    /// `nil` also where a folder that several data sets share has none of this one.
    public var path: String? {
        guard let path = ProcessInfo.processInfo.environment[variable] else { return nil }
        let files: [String] =
            switch self {
            case .cifar10: ["cifar-10-batches-bin", "test_batch.bin"]
            case .mnist: ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"].flatMap { [$0, "mnist/" + $0] }
            case .imageNet, .pretrained: []
            }
        return files.isEmpty || files.contains { exists("\(path)/\($0)") } ? path : nil
    }

    public func requirePath() throws -> String { try #require(path, "\(advice)") }

    fileprivate var advice: String {
        switch self {
        case .cifar10: "set \(variable) to a folder with cifar-10-batches-bin"
        case .mnist: "set \(variable) to a folder with MNIST's IDX files, or with their folder mnist"
        case .imageNet: "set \(variable) to a folder with train/ and val/ of ImageNet"
        case .pretrained: "set \(variable) to torchvision's weights, resnet18-imagenet1k.safetensors"
        }
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test, and says how to run it, where there is no such data.
    public static func needs(_ data: RealData) -> Self { .enabled(if: data.path != nil, Comment(rawValue: data.advice)) }
}
