// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// CIFAR-10 in its binary version (Krizhevsky, "Learning multiple layers of features from tiny images", 2009):
/// 50 000 training and 10 000 test images of 32×32×3 in ten classes.
public enum CIFAR10 {
    public static let classes = [
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
    ]
    /// METHOD.md part 2, recipe `paper`.
    public static let normalization = PixelNormalization(
        mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.2010])

    /// Reads `cifar-10-batches-bin`; its planar records become channels-last images.
    /// - Parameters:
    ///   - folder: that folder or its parent.
    ///   - allowUnofficial: accept files whose checksums are not the official ones (`isOfficial` tells).
    /// - Throws: `FileError`: missing folder or file, wrong size, label out of range, wrong checksum.
    public static func load(folder: String, allowUnofficial: Bool = false) throws -> ImageDataset {
        try load(folder: folder, allowUnofficial: allowUnofficial, release: .official)
    }

    package static func load(folder: String, allowUnofficial: Bool, release: CIFAR10Release) throws -> ImageDataset {
        let folder = try locate(folder, release: release)
        let splits = try [release.trainFiles, release.testFiles].map { files in
            try readSplit(files.map { "\(folder)/\($0.name)" }, records: release.recordsPerFile)
        }
        let impostor = try firstUnofficialFile(in: folder, release: release)
        if let impostor, !allowUnofficial {
            throw FileError("\(impostor); use the data anyway with --allow-unofficial-data, or \(release.advice)")
        }
        return ImageDataset(
            name: KnownDataset.cifar10.rawValue, classes: classes, train: splits[0], test: splits[1], isOfficial: impostor == nil)
    }

    /// What is wrong with the first file whose checksum is not the release's, or nil when all agree.
    static func firstUnofficialFile(in folder: String, release: CIFAR10Release) throws -> String? {
        let files = release.trainFiles + release.testFiles
        let found = try sha256(ofFiles: files.map { "\(folder)/\($0.name)" })
        return zip(files, found).first { $0.sha256 != $1 }.map { file, sum in
            "\(folder)/\(file.name) is not the official file: its SHA-256 is \(sum), expected \(file.sha256)"
        }
    }

    private static func locate(_ folder: String, release: CIFAR10Release) throws -> String {
        guard isFolder(folder) else { throw FileError("CIFAR-10: there is no folder \(folder); \(release.advice)") }
        let inner = "\(folder)/\(CIFAR10Release.folderName)"
        let found = FileManager.default.fileExists(atPath: inner) ? inner : folder
        for file in release.trainFiles + release.testFiles
        where !FileManager.default.fileExists(atPath: "\(found)/\(file.name)") {
            throw FileError("CIFAR-10: \(found) has no file \(file.name); \(release.advice)")
        }
        return found
    }

    private static let pixels = 32 * 32
    private static let recordSize = 1 + 3 * pixels

    private static func readSplit(_ paths: [String], records: Int) throws -> ImageSplit {
        var images = [UInt8](repeating: 0, count: paths.count * records * 3 * pixels)
        var labels: [UInt8] = []
        labels.reserveCapacity(paths.count * records)
        for (file, path) in paths.enumerated() {
            let data = try contents(of: path, size: records * recordSize)
            for record in 0..<records {
                let label = data[record * recordSize]
                guard label < classes.count else {
                    throw FileError(
                        "\(path): record \(record) (counted from 0) has label \(label), expected 0 to 9; the file is damaged: replace it")
                }
                labels.append(label)
            }
            data.withUnsafeBytes { source in
                images.withUnsafeMutableBytes { target in
                    for record in 0..<records {
                        interleave(
                            UnsafeRawBufferPointer(rebasing: source[(record * recordSize + 1)...]),
                            UnsafeMutableRawBufferPointer(rebasing: target[((file * records + record) * 3 * pixels)...]))
                    }
                }
            }
        }
        return ImageSplit(
            height: 32, width: 32, channels: 3, images: images, labels: labels, normalization: normalization)
    }

    /// `[3, 32, 32]` → `[32, 32, 3]`.
    private static func interleave(_ planes: UnsafeRawBufferPointer, _ image: UnsafeMutableRawBufferPointer) {
        for pixel in 0..<pixels {
            for channel in 0..<3 { image[3 * pixel + channel] = planes[channel * pixels + pixel] }
        }
    }

    private static func contents(of path: String, size: Int) throws -> Data {
        let data = try readFile(path)
        guard data.count == size else {
            throw FileError("\(path) has \(data.count) bytes, expected \(size); the file is damaged: replace it")
        }
        return data
    }
}

/// What a release of CIFAR-10 consists of; tests describe a tiny one.
package struct CIFAR10Release: Sendable {
    package typealias File = (name: String, sha256: String)
    package static let folderName = "cifar-10-batches-bin"
    package static let archiveName = "cifar-10-binary.tar.gz"

    package var url: String
    package var archiveBytes: Int
    package var archiveSHA256: String
    package var recordsPerFile: Int
    package var trainFiles: [File]
    package var testFiles: [File]

    package init(
        url: String, archiveBytes: Int, archiveSHA256: String, recordsPerFile: Int, trainFiles: [File], testFiles: [File]
    ) {
        (self.url, self.archiveBytes, self.archiveSHA256) = (url, archiveBytes, archiveSHA256)
        (self.recordsPerFile, self.trainFiles, self.testFiles) = (recordsPerFile, trainFiles, testFiles)
    }

    /// The data set's page publishes the archive's MD5, c32a1d4ab5d03f1284b67883e8d87530. The SHA-256 of the archive
    /// and of each file are those that torchvision-ruby checks (lib/torchvision/datasets/cifar10.rb); other public
    /// projects pin the same values for the archive and for `test_batch.bin`, and one of them its size in bytes.
    package static let official = CIFAR10Release(
        url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        archiveBytes: 170_052_171,
        archiveSHA256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        recordsPerFile: 10_000,
        trainFiles: [
            ("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
            ("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
            ("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
            ("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
            ("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add")
        ],
        testFiles: [("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b")])

    var advice: String {
        "fetch the official data with `reproduce fetch cifar10`, or unpack \(url) and name its folder with --data"
    }
}
