// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// Data that the package does not bring: tests use it where an environment variable names it, and are skipped elsewhere.
public enum RealData: String, Sendable {
    case cifar10 = "BCGD_DATA"
    case imageNet = "BCGD_IMAGENET"
    case pretrained = "BCGD_PRETRAINED"

    public var path: String? { ProcessInfo.processInfo.environment[rawValue] }

    public func requirePath() throws -> String { try #require(path, "\(advice)") }

    fileprivate var advice: String {
        switch self {
        case .cifar10: "set \(rawValue) to a folder with cifar-10-batches-bin"
        case .imageNet: "set \(rawValue) to a folder with train/ and val/ of ImageNet"
        case .pretrained: "set \(rawValue) to torchvision's weights, resnet18-imagenet1k.safetensors"
        }
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test, and says how to run it, where there is no such data.
    public static func needs(_ data: RealData) -> Self { .enabled(if: data.path != nil, Comment(rawValue: data.advice)) }
}
