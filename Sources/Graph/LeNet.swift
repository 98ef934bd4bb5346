// SPDX-License-Identifier: GPL-3.0-or-later

extension NetworkGraph {
    /// LeNet-5 in the form that the companion paper trains on MNIST (Yin et al., ICLR 2019, section 4), with batch norm before each
    /// activation: two 5×5 convolutions without padding, each followed by a 2×2 maximum, and two linear layers.
    /// Images need 16 pixels a side or more.
    static func leNet5(_ input: FeatureShape, classes: Int) throws -> NetworkGraph {
        try NetworkGraph(input) {
            $0.conv("conv1", 20, kernel: 5, padding: 0).norm("bn1").act("act1").maxPool(2)
                .conv("conv2", 50, kernel: 5, padding: 0).norm("bn2").act("act2").maxPool(2)
                .linear("fc1", 500).norm("bn3").act("act3")
                .linear("fc2", classes)
        }
    }
}
