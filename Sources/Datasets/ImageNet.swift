// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// ILSVRC2012 (Russakovsky et al., arXiv 1409.0575): 1,281,167 training and 50,000 validation images of 1000 classes; or
/// some of its classes, which then are a data set of another name.
///
///     train/n01440764/*.JPEG   …   one folder a class
///     val/n01440764/*.JPEG     …   likewise; or
///     val/ILSVRC2012_val_00000001.JPEG   …   as published, with ILSVRC2012_validation_ground_truth.txt
///
/// Line i of the ground truth is the class of validation image i: a WordNet id, or, as published, an `ILSVRC2012_ID` from 1 to
/// 1000. Those ids are *not* in the order of torchvision's classes, which is that of sorted WordNet ids: a second file,
/// `ILSVRC2012_synsets.txt`, says which WordNet id each one is (`Experiments/pytorch/devkit_synsets.py` makes it from the
/// development kit's meta.mat; map_clsloc.txt of later kits does as well). Both lie in the data folder, in val/, or in
/// ILSVRC2012_devkit_t12/data/.
///
/// Labels are positions in the class list: `classes.txt` in the data folder or a file of the user's, else the sorted folders
/// (of train/, or of val/ where there is no training split). Folders of other classes are left alone.
public struct ImageNet: Dataset {
    public let name: String
    public let classes: [String]
    /// All 1000 classes and as many images as the release has. There is no checksum: hashing 144 GB would take longer than it helps.
    public let isOfficial: Bool
    /// The place of each class among ImageNet-1k's scores; `nil` where neither a class list nor the ids tell.
    public let numbers: [Int]?
    /// The id of a class that is none of ImageNet-1k's; `nil` where there is none such.
    public let foreignClass: String?
    private let train, test: ImageFiles
    private let unreadable: UnreadableImages

    /// METHOD.md part 2.
    public static let normalization = PixelNormalization(mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])
    /// Of the whole data set.
    public static let classCount = ImageNetClasses.wnids.count
    public static let trainImages = 1_281_167, testImages = 50_000

    /// What a user without the data needs to know.
    public static let advice = """
        ImageNet (ILSVRC2012) must be downloaded by you: register at https://image-net.org and accept its terms, then take \
        ILSVRC2012_img_train.tar (138 GB) and ILSVRC2012_img_val.tar (6.3 GB); unpack them as DIR/train/n01440764/*.JPEG … and \
        DIR/val/n01440764/*.JPEG … (or DIR/val/*.JPEG with ILSVRC2012_validation_ground_truth.txt), 1000 folders in train, and \
        name DIR with --data or BCGD_IMAGENET
        """

    /// Lists the images; reads none.
    /// - Parameters:
    ///   - folder: of `train` and `val`.
    ///   - classList: which classes, and their places in a classifier of more classes; `nil` as said above.
    ///   - unreadable: hears of training images that cannot be read.
    ///   - needsTraining: false where only the validation images are to be used.
    /// - Throws: `FileError` naming what is missing or contradictory.
    public init(folder: String, classList: ClassList? = nil, unreadable: UnreadableImages, needsTraining: Bool = true) throws {
        let (trainFolder, testFolder) = ("\(folder)/train", "\(folder)/val")
        for path in needsTraining ? [trainFolder, testFolder] : [testFolder] where !isFolder(path) {
            throw FileError("there is no folder \(path); \(Self.advice)")
        }
        let hasTrain = isFolder(trainFolder)
        let list = try classList ?? Self.list(in: folder, folders: hasTrain ? trainFolder : testFolder)
        train = hasTrain && needsTraining ? try Self.files(in: trainFolder, list) : ImageFiles(folders: [])
        let isFlat = try wnidFolders(in: testFolder).isEmpty
        test = isFlat ? try Self.flatFiles(in: testFolder, of: folder, list) : try Self.files(in: testFolder, list)
        let count = list.entries.count
        isOfficial = list.isImageNet1k && train.count == Self.trainImages && test.count == Self.testImages
        // Never the plain name for other classes or fewer: published numbers are those of these 1000.
        name = (list.isImageNet1k ? KnownDataset.imageNet.id : DatasetID(count, classesOf: .imageNet)).name
        classes = list.entries.map(\.name)
        foreignClass = list.foreignWnid
        numbers = list.hasPlaces ? list.entries.map(\.number) : nil
        self.unreadable = unreadable
    }

    /// Of the training images' names and classes.
    public var digest: String? { train.checksum }
    /// Of the validation images'.
    public var testDigest: String? { test.checksum }

    public func sources(imageSize: Int?) throws -> (train: any ImageSource, test: any ImageSource) {
        guard let imageSize else { throw ImageSizeError("the images of \(name) have many sizes: the recipe needs image_size") }
        let crop = CenterCrop(crop: imageSize)
        return (split(train, crop), split(test, crop))
    }

    /// The validation images.
    /// - Parameters:
    ///   - crop: what evaluation takes of each image.
    ///   - inAll: label by the class's place among all of ImageNet-1k's; `numbers` must be known.
    public func testSplit(_ crop: CenterCrop, inAll: Bool = false) -> JPEGSplit {
        precondition(!inAll || numbers != nil, "the classes' places are not known")
        return split(test, crop, labels: inAll ? numbers : nil)
    }

    private func split(_ files: ImageFiles, _ crop: CenterCrop, labels: [Int]? = nil) -> JPEGSplit {
        JPEGSplit(
            files: files, labels: (labels ?? Array(classes.indices)).map(Int32.init), test: crop, normalization: Self.normalization,
            unreadable: unreadable)
    }

    private static func list(in folder: String, folders: String) throws -> ClassList {
        let path = "\(folder)/classes.txt"
        if FileManager.default.fileExists(atPath: path) { return try ClassList(contentsOf: path) }
        let wnids = try wnidFolders(in: folders)
        guard !wnids.isEmpty else { throw FileError("\(folders) holds no folders named like n01440764, one a class; \(advice)") }
        return try ClassList(wnids: wnids, in: folders)
    }

    /// A folder for each class.
    private static func files(in folder: String, _ list: ClassList) throws -> ImageFiles {
        var files = ImageFiles(folders: list.entries.map { "\(folder)/\($0.wnid)" })
        for (position, entry) in list.entries.enumerated() {
            let names = try jpegNames(in: files.folders[position])
            guard !names.isEmpty else {
                throw FileError("\(folder)/\(entry.wnid) holds no .JPEG file, but \(list.path) lists the class \(entry.name)")
            }
            for name in names { files.append(name, folder: position, position: position) }
        }
        return files
    }

    /// All classes in one folder, told apart by the ground truth.
    private static func flatFiles(in folder: String, of root: String, _ list: ClassList) throws -> ImageFiles {
        func find(_ names: [String]) -> String? {
            [root, folder, "\(root)/ILSVRC2012_devkit_t12/data"].flatMap { place in names.map { "\(place)/\($0)" } }
                .first { FileManager.default.fileExists(atPath: $0) }
        }
        let truthName = "ILSVRC2012_validation_ground_truth.txt"
        guard let truthPath = find([truthName]) else {
            throw FileError("\(folder) holds neither folders named like n01440764 nor does \(truthName) lie beside it; \(advice)")
        }
        var truth = lines(of: try readText(truthPath)).map { $0.trimmingCharacters(in: .whitespaces) }
        while truth.last == "" { truth.removeLast() }
        let positions = Dictionary(uniqueKeysWithValues: list.entries.enumerated().map { ($1.wnid, $0) })
        var synsets: [Int: String] = [:]
        if truth.contains(where: { !ClassList.isWnid($0) }) {
            let names = ["ILSVRC2012_synsets.txt", "map_clsloc.txt"]
            guard let path = find(names) else {
                throw FileError(
                    "\(truthPath) gives ILSVRC2012_IDs, and no file says which WordNet ids they are: make \(names[0]) with "
                        + "Experiments/pytorch/devkit_synsets.py, or put \(names[1]) there")
            }
            synsets = Dictionary(
                uniqueKeysWithValues: try ClassList(contentsOf: path, numbering: .kitIDs).entries.map { ($0.number, $0.wnid) })
        }
        var files = ImageFiles(folders: [folder])
        for name in try jpegNames(in: folder) {
            guard let number = Int((name as NSString).deletingPathExtension.suffix(8)), truth.indices.contains(number - 1) else {
                throw FileError(
                    "\(folder)/\(name): expected a name that ends in 8 digits, from 00000001 to \(truth.count), the lines of \(truthPath)")
            }
            let word = truth[number - 1]
            guard let wnid = ClassList.isWnid(word) ? word : Int(word).flatMap({ synsets[$0] }) else {
                throw FileError("\(truthPath):\(number): no class has the id \"\(word)\"")
            }
            if let position = positions[wnid] { files.append(name, folder: 0, position: position) }
        }
        guard files.count > 0 else { throw FileError("\(folder) holds no image of the classes in \(list.path)") }
        return files
    }
}

private func contents(of folder: String) throws -> [String] {
    do { return try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } catch {
        throw FileError("cannot list the folder \(folder): is it there, and may it be read?")
    }
}

private func wnidFolders(in folder: String) throws -> [String] {
    try contents(of: folder).filter { ClassList.isWnid($0) && isFolder("\(folder)/\($0)") }
}

/// Hidden files are no images: other systems leave their notes as ._NAME.JPEG.
private func jpegNames(in folder: String) throws -> [String] {
    try contents(of: folder).filter { !$0.hasPrefix(".") && ["jpeg", "jpg"].contains(($0 as NSString).pathExtension.lowercased()) }
}
