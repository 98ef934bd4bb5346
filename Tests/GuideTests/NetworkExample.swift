// SPDX-License-Identifier: GPL-3.0-or-later
import Graph

/// Two 3×3 convolutions, each with batch norm, activation and a 2×2 maximum; mean over the pixels; classifier.
public func smallNetwork(_ input: FeatureShape, classes: Int) throws -> NetworkGraph {
    try NetworkGraph(input) {
        $0.conv("conv0", 16, kernel: 3).norm("bn0").act("act0").maxPool(2)
            .conv("conv1", 32, kernel: 3).norm("bn1").act("act1").maxPool(2)
            .meanPool().linear("fc", classes)
    }
}
