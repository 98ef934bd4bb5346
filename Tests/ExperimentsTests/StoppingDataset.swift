// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Training

/// Images that ask for a stop when they are read for an epoch, counted from 0.
struct StoppingDataset: Dataset {
    private let images: ImageDataset
    private let epoch: Int
    private let stop: StopRequest

    init(_ images: ImageDataset, epoch: Int, _ stop: StopRequest) { (self.images, self.epoch, self.stop) = (images, epoch, stop) }

    var name: String { images.name }
    var classes: [String] { images.classes }
    var isOfficial: Bool { images.isOfficial }

    func sources(imageSize: Int?) throws -> (train: any ImageSource, test: any ImageSource) {
        (StoppingSource(split: images.train, epoch: epoch, stop: stop), images.test)
    }

    private struct StoppingSource: ImageSource {
        let split: ImageSplit
        let epoch: Int
        let stop: StopRequest
        var height: Int { split.height }
        var width: Int { split.width }
        var channels: Int { split.channels }
        var count: Int { split.count }
        var pixels: PixelNormalization? { split.pixels }

        func reader(augmentation: Augmentation?, seed: UInt64) throws -> any ImageReader {
            StoppingReader(inner: split.reader(augmentation: augmentation, seed: seed), epoch: epoch, stop: stop)
        }
    }

    private final class StoppingReader: ImageReader {
        private let inner: any ImageReader
        private let epoch: Int
        private let stop: StopRequest
        init(inner: any ImageReader, epoch: Int, stop: StopRequest) { (self.inner, self.epoch, self.stop) = (inner, epoch, stop) }

        func read(_ image: Int, epoch: Int, into output: UnsafeMutablePointer<Float>) throws -> ReadImage {
            if epoch == self.epoch { stop.make() }
            return try inner.read(image, epoch: epoch, into: output)
        }
    }
}
