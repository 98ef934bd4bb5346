// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// A data set of grey images in four IDX files with MNIST's names, each raw (`train-images-idx3-ubyte`) or gzipped (the same
/// with `.gz`); tests describe a tiny one.
package struct IDXRelease: Sendable {
    package struct File: Sendable {
        /// Without `.gz`.
        package let name: String
        /// `[N, rows, columns]` of images, `[N]` of labels.
        package let dimensions: [Int]
        /// Of the decompressed content: gzip files are repacked by those who hand them on.
        package var sha256: String
    }
    package typealias Split = (images: File, labels: File)

    /// As runs and tables call it, and the folder that holds its files where several data sets lie side by side.
    package let name, folderName: String
    package let classes: [String]
    package let normalization: PixelNormalization
    package var train, test: Split
    /// Where a user gets the files.
    package let advice: String

    /// - Parameters:
    ///   - side: rows and columns of an image.
    ///   - counts: images of the training and the test split.
    ///   - sha256: of the training images and labels, and of the test ones.
    package init(
        name: String, folderName: String, classes: [String], normalization: PixelNormalization, side: Int = 28,
        counts: (train: Int, test: Int),
        sha256: (trainImages: String, trainLabels: String, testImages: String, testLabels: String), advice: String
    ) {
        (self.name, self.folderName, self.classes, self.normalization, self.advice) = (name, folderName, classes, normalization, advice)
        func split(_ prefix: String, _ count: Int, _ images: String, _ labels: String) -> Split {
            (
                File(name: "\(prefix)-images-idx3-ubyte", dimensions: [count, side, side], sha256: images),
                File(name: "\(prefix)-labels-idx1-ubyte", dimensions: [count], sha256: labels)
            )
        }
        train = split("train", counts.train, sha256.trainImages, sha256.trainLabels)
        test = split("t10k", counts.test, sha256.testImages, sha256.testLabels)
    }

    package var files: [File] { [train.images, train.labels, test.images, test.labels] }

    /// Reads the four files.
    /// - Parameters:
    ///   - folder: theirs, or its parent.
    ///   - allowUnofficial: accept contents whose checksums are not the release's (`isOfficial` tells).
    /// - Throws: `FileError`: missing or damaged file, wrong header, label out of range, wrong checksum.
    package func load(folder: String, allowUnofficial: Bool) throws -> ImageDataset {
        let inner = "\(folder)/\(folderName)", folder = FileManager.default.fileExists(atPath: inner) ? inner : folder
        var impostor: String?
        func read(_ file: File) throws -> (path: String, bytes: [UInt8]) {
            guard let path = path(of: file, in: folder) else {
                throw FileError("\(name): there is no \(folder)/\(file.name), nor the same with .gz; \(advice)")
            }
            let content = try IDX(path, dimensions: file.dimensions)
            impostor = impostor ?? problem(with: content, of: file).map { "\(path) \($0)" }
            return (path, content.elements)
        }
        func split(_ split: Split) throws -> ImageSplit {
            let images = try read(split.images).bytes, (path, labels) = try read(split.labels), side = split.images.dimensions
            if let record = labels.firstIndex(where: { $0 >= classes.count }) {
                let expected = "expected 0 to \(classes.count - 1): replace it"
                throw FileError("\(path): record \(record) (counted from 0) has label \(labels[record]), \(expected)")
            }
            return ImageSplit(height: side[1], width: side[2], channels: 1, images: images, labels: labels, normalization: normalization)
        }
        let (train, test) = (try split(train), try split(test))
        if let impostor, !allowUnofficial { throw FileError("\(impostor); use the data anyway with --allow-unofficial-data, or \(advice)") }
        return ImageDataset(name: name, classes: classes, train: train, test: test, isOfficial: impostor == nil)
    }

    /// The file as it lies in the folder, raw or gzipped; `nil` where it does not.
    func path(of file: File, in folder: String) -> String? {
        ["\(folder)/\(file.name)", "\(folder)/\(file.name).gz"].first(where: FileManager.default.fileExists)
    }

    /// What follows the file's name in a message, or nil when it is the release's.
    func problem(with content: IDX, of file: File) -> String? {
        guard content.sha256 != file.sha256 else { return nil }
        return "is not the official file: its content's SHA-256 is \(content.sha256), expected \(file.sha256)"
    }
}
