// SPDX-License-Identifier: GPL-3.0-or-later

extension NetworkGraph {
    /// Channels of the convolutions; 0 is a 2×2 maximum.
    static let vggPlans: [Int: [Int]] = [
        11: [64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0],
        13: [64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0],
        16: [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]
    ]

    /// VGG for small images with one linear layer (METHOD.md part 2): 3×3 convolutions with bias, each followed by batch norm
    /// and the activation, and maxima. A maximum over a map that has already shrunk to one pixel (28×28 input) is left out.
    static func vgg(_ plan: [Int], _ input: FeatureShape, classes: Int) throws -> NetworkGraph {
        try NetworkGraph(input) { image in
            var (map, index) = (image, 0)
            for channels in plan {
                if channels > 0 {
                    map = map.conv("conv\(index)", channels, kernel: 3, hasBias: true).norm("bn\(index)").act("act\(index)")
                    index += 1
                } else if min(map.shape.height, map.shape.width) > 1 {
                    map = map.maxPool(2)
                }
            }
            return map.linear("fc", classes)
        }
    }
}
