// SPDX-License-Identifier: GPL-3.0-or-later
import Compute

/// A network of METHOD.md part 2 by name: `resnet8`, `resnet20`, … `resnet110` (any depth 6n + 2), `vgg11`, `vgg13`, `vgg16`.
public enum Architecture: Equatable, Sendable {
    case cifarResNet(depth: Int)
    case vgg(depth: Int)

    /// `nil` for a name that is none of ours; `allowed` says what is.
    public init?(name: String) {
        if name.hasPrefix("resnet"), let depth = Int(name.dropFirst(6)), depth >= 8, depth <= 1202, (depth - 2) % 6 == 0 {
            self = .cifarResNet(depth: depth)
        } else if name.hasPrefix("vgg"), let depth = Int(name.dropFirst(3)), VGG.configurations[depth] != nil {
            self = .vgg(depth: depth)
        } else {
            return nil
        }
    }

    public static let allowed = "resnet20, 32, 44, 56, 110 (any 6n + 2 from resnet8), vgg11, vgg13, vgg16"

    public func network(input: FeatureShape, classes: Int, activation: Activation, in workshop: Workshop) -> Network {
        switch self {
        case .cifarResNet(let depth):
            CIFARResNet.network(depth: depth, input: input, classes: classes, activation: activation, in: workshop)
        case .vgg(let depth):
            VGG.network(depth: depth, input: input, classes: classes, activation: activation, in: workshop)
        }
    }
}
