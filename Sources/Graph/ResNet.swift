// SPDX-License-Identifier: GPL-3.0-or-later

extension Map {
    /// The basic block of ResNets (METHOD.md part 2), `y = act(bn(conv(act(bn(conv(x))))) + S x)`: one activation follows the
    /// first batch norm and one the addition.
    /// - Parameters:
    ///   - name: of the block's tensors, before a point.
    ///   - channels: of the output.
    ///   - stride: of the first convolution and the shortcut.
    ///   - isProjected: where the shape changes, `S` is a 1×1 convolution with batch norm, as for ImageNet; else, as for CIFAR, it takes
    ///     every `stride`-th pixel and pads the channels with zeros. Elsewhere it is the identity.
    public func basicBlock(_ name: String, _ channels: Int, stride: Int, isProjected: Bool) -> Map {
        let branch = conv("\(name).conv1", channels, kernel: 3, stride: stride).norm("\(name).bn1").act("\(name).act1")
            .conv("\(name).conv2", channels, kernel: 3).norm("\(name).bn2")
        let sum =
            if stride == 1 && channels == shape.channels {
                branch.add(self)
            } else if isProjected {
                branch.add(conv("\(name).downsample.0", channels, kernel: 1, stride: stride).norm("\(name).downsample.1"))
            } else {
                branch.add(self, .subsampled(stride: stride))
            }
        return sum.act("\(name).act2")
    }

    /// One stage of blocks for each number of `blocks`, with twice the channels and half the pixels of the one before.
    func stages(_ blocks: [Int], channels: Int, isProjected: Bool) -> Map {
        var map = self
        for (stage, count) in blocks.enumerated() {
            for block in 0..<count {
                map = map.basicBlock(
                    "layer\(stage + 1).\(block)", channels << stage, stride: stage > 0 && block == 0 ? 2 : 1, isProjected: isProjected)
            }
        }
        return map
    }
}

extension NetworkGraph {
    /// ResNet for small images (He et al. 2016, section 4.2): a 3×3 convolution to 16 channels, three stages of
    /// `(depth − 2)/6` basic blocks with 16, 32, 64 channels, the later two starting with stride 2, mean pool, linear.
    static func cifarResNet(depth: Int, _ input: FeatureShape, classes: Int) throws -> NetworkGraph {
        try NetworkGraph(input) {
            $0.conv("conv1", 16, kernel: 3).norm("bn1").act("act1")
                .stages([Int](repeating: (depth - 2) / 6, count: 3), channels: 16, isProjected: false)
                .meanPool().linear("fc", classes)
        }
    }

    /// Basic blocks of each stage; 10 is not torchvision's, it is the smallest with every kind of layer, for tests and trials.
    static let imageNetBlocks = [10: [1, 1, 1, 1], 18: [2, 2, 2, 2], 34: [3, 4, 6, 3]]

    /// ResNet-18 and ResNet-34 for ImageNet as torchvision defines them (METHOD.md part 2): a 7×7 convolution to 64 channels
    /// with stride 2, batch norm, activation, 3×3 maximum with stride 2, four stages of basic blocks with 64, 128, 256, 512
    /// channels, the later three starting with stride 2 and a projected shortcut, mean pool, linear.
    ///
    /// Tensor names are torchvision's; step sizes are `act1.resolution` and `layerS.B.act1.resolution`, `….act2.resolution`.
    /// Any image of 32 pixels or more a side will do: the mean pool takes what is left.
    static func imageNetResNet(_ blocks: [Int], _ input: FeatureShape, classes: Int) throws -> NetworkGraph {
        try NetworkGraph(input) {
            $0.conv("conv1", 64, kernel: 7, stride: 2).norm("bn1").act("act1").maxPool(3, stride: 2, padding: 1)
                .stages(blocks, channels: 64, isProjected: true).meanPool().linear("fc", classes)
        }
    }
}
