// SPDX-License-Identifier: GPL-3.0-or-later

extension NetworkGraph {
    /// The names of the networks of METHOD.md part 2, for messages.
    public static let knownNames =
        "resnet20, 32, 44, 56, 110 (any 6n + 2 from resnet8), vgg11, vgg13, vgg16, imagenet-resnet18, imagenet-resnet34, lenet5"

    public static func isKnown(_ name: String) -> Bool { named(name) != nil }

    /// A network by its name: `resnet8`, `resnet20`, … `resnet110` (any depth 6n + 2), `vgg11`, `vgg13`, `vgg16`,
    /// `imagenet-resnet18`, `imagenet-resnet34`, `lenet5`; in floats.
    /// - Throws: `GraphError` for another name, or images that are too small for the network.
    public static func named(_ name: String, input: FeatureShape, classes: Int) throws -> NetworkGraph {
        guard let network = named(name) else { throw GraphError("network must be one of \(knownNames), not \(name)") }
        do { return try network(input, classes) } catch let error as GraphError {
            throw GraphError("\(name) on images of \(input.height)×\(input.width)×\(input.channels): \(error)")
        }
    }

    private static func named(_ name: String) -> ((FeatureShape, Int) throws -> NetworkGraph)? {
        func depth(after prefix: String) -> Int? { Int(name.dropFirst(prefix.count)).flatMap { name == "\(prefix)\($0)" ? $0 : nil } }
        if name == "lenet5" { return { try leNet5($0, classes: $1) } }
        if let depth = depth(after: "resnet"), (8...1202).contains(depth), (depth - 2) % 6 == 0 {
            return { try cifarResNet(depth: depth, $0, classes: $1) }
        }
        if let plan = depth(after: "vgg").flatMap({ vggPlans[$0] }) { return { try vgg(plan, $0, classes: $1) } }
        if let blocks = depth(after: "imagenet-resnet").flatMap({ imageNetBlocks[$0] }) {
            return { try imageNetResNet(blocks, $0, classes: $1) }
        }
        return nil
    }
}
