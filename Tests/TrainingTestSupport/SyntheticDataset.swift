// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Statistics

/// 8×8×3 images of four classes that differ in one channel's mean, with noise: learned in a few epochs.
public func syntheticDataset(name: String = "synthetic", train: Int = 150, test: Int = 60) -> ImageDataset {
    func split(_ count: Int, stream: UInt64) -> ImageSplit {
        var random = Philox(seed: 11, stream: stream)
        let labels = (0..<count).map { UInt8($0 % 4) }
        let images = labels.flatMap { label in
            (0..<192).map { UInt8(clamping: Int(100 + 40 * random.normal()) + ($0 % 3 == Int(label) % 3 ? 60 : 0) + 20 * Int(label)) }
        }
        let normalization = PixelNormalization(mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2])
        return ImageSplit(height: 8, width: 8, channels: 3, images: images, labels: labels, normalization: normalization)
    }
    return ImageDataset(
        name: name, classes: ["a", "b", "c", "d"], train: split(train, stream: 1), test: split(test, stream: 2), isOfficial: true)
}
