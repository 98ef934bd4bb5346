// SPDX-License-Identifier: GPL-3.0-or-later

/// Fashion-MNIST (Xiao, Rasul, Vollgraf, arXiv 1708.07747): 60 000 training and 10 000 test images of 28×28×1
/// in ten classes, as IDX files.
public enum FashionMNIST {
    public static let classes = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
    ]
    /// Mean and (population) standard deviation of the 47 040 000 pixels of the training split, computed exactly
    /// from their histogram and rounded to f32; a test computes them again.
    public static let normalization = PixelNormalization(mean: [0.2860406], std: [0.3530242])

    /// Where Debian's package dataset-fashion-mnist puts the files.
    public static let debianFolder = "/usr/share/datasets/fashion-mnist"

    /// Reads the four files.
    /// - Parameters:
    ///   - folder: of the four files.
    ///   - allowUnofficial: accept contents whose checksums are not the release's (`isOfficial` tells).
    /// - Throws: `FileError`: missing or damaged file, wrong header, label out of range, wrong checksum.
    public static func load(folder: String = debianFolder, allowUnofficial: Bool = false) throws -> ImageDataset {
        try release.load(folder: folder, allowUnofficial: allowUnofficial)
    }

    /// SHA-256 as published by others who start from the release's own gzip files (checked against its README's MD5): for one,
    /// torchvision's raw files, which these sums pin in public code. Debian repacks the files, their content is the same.
    package static let release = IDXRelease(
        name: KnownDataset.fashionMNIST.rawValue, folderName: "fashion-mnist", classes: classes, normalization: normalization,
        counts: (60_000, 10_000),
        sha256: (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
        ),
        advice: "get the official data with `apt-get install --reinstall dataset-fashion-mnist`")
}
