// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation

/// Grey images of `side`×`side` pixels in `train.bin` and `test.bin`: of each image the label, one byte, then its rows.
public func loadGreyImages(folder: String, side: Int, classes: [String]) throws -> ImageDataset {
    func read(_ name: String) throws -> (images: [UInt8], labels: [UInt8]) {
        let path = "\(folder)/\(name)", size = 1 + side * side
        guard let bytes = FileManager.default.contents(atPath: path).map(Array.init) else {
            throw FileError("cannot read \(path); put the data set there")
        }
        guard !bytes.isEmpty, bytes.count % size == 0 else {
            throw FileError("\(path) has \(bytes.count) bytes, expected a multiple of \(size); copy the file again")
        }
        let starts = stride(from: 0, to: bytes.count, by: size)
        if let bad = starts.first(where: { bytes[$0] >= classes.count }) {
            throw FileError("\(path): image \(bad / size) has label \(bytes[bad]), expected 0 to \(classes.count - 1)")
        }
        return (starts.flatMap { bytes[$0 + 1..<$0 + size] }, starts.map { bytes[$0] })
    }
    let (train, test) = (try read("train.bin"), try read("test.bin"))
    // Mean and deviation of the training pixels, on the scale where 255 is 1.
    let count = Double(train.images.count)
    let mean = train.images.reduce(0) { $0 + Double($1) } / count / 255
    let variance = train.images.reduce(0) { $0 + Double($1) * Double($1) } / count / 65025 - mean * mean
    let normalization = PixelNormalization(mean: [Float(mean)], std: [Float(max(variance, 1e-6).squareRoot())])
    func split(_ part: (images: [UInt8], labels: [UInt8])) -> ImageSplit {
        ImageSplit(
            height: side, width: side, channels: 1, images: part.images, labels: part.labels, normalization: normalization)
    }
    // Not official: there is no published checksum to compare with.
    return ImageDataset(name: "grey", classes: classes, train: split(train), test: split(test), isOfficial: false)
}
