// SPDX-License-Identifier: GPL-3.0-or-later

/// MNIST (LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 1998):
/// 60 000 training and 10 000 test images of handwritten digits, 28×28×1, as IDX files.
public enum MNIST {
    public static let classes = (0...9).map(String.init)
    /// Mean and (population) standard deviation of the 47 040 000 pixels of the training split, computed exactly
    /// from their histogram and rounded to f32; a test computes them again. Public recipes round them to 0.1307 and 0.3081.
    public static let normalization = PixelNormalization(mean: [0.13066047], std: [0.3081078])

    /// Reads the four files, raw or gzipped.
    /// - Parameters:
    ///   - folder: theirs, or that of their folder `mnist`.
    ///   - allowUnofficial: accept contents whose checksums are not the release's (`isOfficial` tells).
    /// - Throws: `FileError`: missing or damaged file, wrong header, label out of range, wrong checksum.
    public static func load(folder: String, allowUnofficial: Bool = false) throws -> ImageDataset {
        try release.load(folder: folder, allowUnofficial: allowUnofficial)
    }

    /// SHA-256 of the four files, decompressed, as they are widely published.
    package static let release = IDXRelease(
        name: KnownDataset.mnist.rawValue, folderName: "mnist", classes: classes, normalization: normalization, counts: (60_000, 10_000),
        sha256: (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
        advice: "fetch the official data with `reproduce fetch mnist`, or name the folder of its four IDX files with --data")

    /// The publisher's own page serves the files no more. These are the mirrors that torchvision and TensorFlow Datasets use; the
    /// sizes are those of the original gzip files, of the images and labels for training and of those for the test.
    package static let source = Source(
        mirrors: ["https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"],
        gzipBytes: [9_912_422, 28_881, 1_648_877, 4_542])

    package struct Source: Sendable {
        package let mirrors: [String]
        /// In the order of `IDXRelease.files`.
        package let gzipBytes: [Int]
        package init(mirrors: [String], gzipBytes: [Int]) { (self.mirrors, self.gzipBytes) = (mirrors, gzipBytes) }
    }
}
