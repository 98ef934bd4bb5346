// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Files
import Foundation

/// The files of one split with their classes' positions in the class list, in order. Names are kept in one piece, because ImageNet has 1.3
/// million.
struct ImageFiles: Sendable {
    let folders: [String]
    private var names: [UInt8] = []
    private var ends: [Int] = []
    private var places: [(folder: Int32, position: Int32)] = []

    init(folders: [String]) { self.folders = folders }

    mutating func append(_ name: String, folder: Int, position: Int) {
        names += Array(name.utf8)
        ends.append(names.count)
        places.append((Int32(folder), Int32(position)))
    }

    var count: Int { ends.count }
    func position(_ image: Int) -> Int { Int(places[image].position) }

    func path(_ image: Int) -> String { "\(folders[Int(places[image].folder)])/\(name(image))" }

    private func name(_ image: Int) -> String {
        String(decoding: names[(image == 0 ? 0 : ends[image - 1])..<ends[image]], as: UTF8.self)
    }

    /// CRC-32 of a line for each file: its class's position, `/`, its name. Where the files lie does not matter.
    var checksum: String {
        crc32Hex([(0..<count).reduce(into: []) { $0 += "\(position($1))/\(name($1))\n".utf8 }])
    }
}

/// One split in image files (`ImageDecoder`) that are read again in every epoch: random resized crop and flip for training, a central crop
/// else.
///
/// A training image that cannot be read is replaced by the next one in the split's order that can, cropped as the first one
/// would have been, with its own label; batches keep their size, and what they hold still depends on seed, epoch and the files
/// alone. Evaluation needs every image.
public struct JPEGSplit: ImageSource {
    let files: ImageFiles
    /// The label of each of the files' classes.
    let labels: [Int32]
    let test: CenterCrop
    let normalization: PixelNormalization
    let unreadable: UnreadableImages
    /// Decode to fewer pixels where the crop still has more than are needed.
    package var reducesDecoding = true

    public var height: Int { test.crop }
    public var width: Int { test.crop }
    public var channels: Int { 3 }
    public var count: Int { files.count }
    public var pixels: PixelNormalization? { normalization }

    public func reader(augmentation: Augmentation?, seed: UInt64) throws -> any ImageReader {
        try JPEGReader(self, augmentation, seed)
    }

    public func reader(augmentation: Augmentation?, seed: UInt64, within images: [Int]) throws -> any ImageReader {
        try JPEGReader(self, augmentation, seed, within: images)
    }

    package func label(of image: Int) -> Int32 { labels[files.position(image)] }
    package func path(of image: Int) -> String { files.path(image) }
}

package final class JPEGReader: ImageReader {
    private let split: JPEGSplit
    private let augmentation: Augmentation?
    private let seed: UInt64
    /// Those that may be read; nil for all.
    private let images: [Int]?
    private let table: [Float]
    private let decoder = ImageDecoder()
    private var file: [UInt8] = []
    private var scratch: [UInt8] = []
    /// `[H, W, 4]`, before normalisation.
    package private(set) var window: [UInt8]

    /// No file of ImageNet comes near it.
    private static let maximumFile = 1 << 28

    package init(_ split: JPEGSplit, _ augmentation: Augmentation?, _ seed: UInt64, within images: [Int]? = nil) throws {
        (self.split, self.augmentation, self.seed, self.images, table) = (split, augmentation, seed, images, split.normalization.table)
        window = Array(repeating: 0, count: split.height * split.width * 4)
    }

    package func read(_ image: Int, epoch: Int, into output: UnsafeMutablePointer<Float>) throws -> ReadImage {
        for offset in 0..<(images?.count ?? split.count) {
            let candidate = offset == 0 ? image : candidate(offset, after: image)
            do {
                let bytes = try load(split.files.path(candidate))
                let isFlipped = try crop(image, epoch: epoch, bytes: bytes)
                ck_normalize_rgbx(window, split.height, split.width, isFlipped ? 1 : 0, table, output)
                return ReadImage(label: split.label(of: candidate), isReplaced: offset > 0, bytes: bytes)
            } catch let fault as ImageFault {
                let path = split.files.path(candidate)
                guard augmentation != nil else {
                    throw FileError("\(path) \(fault); an accuracy needs every test image: mend the file, or take it out of the folder")
                }
                try split.unreadable.add(path, fault)
            }
        }
        throw FileError("\(split.files.path(image)): neither it nor any other training image can be read")
    }

    private func candidate(_ offset: Int, after image: Int) -> Int {
        guard let images else { return (image + offset) % split.count }
        return images[((images.firstIndex(of: image) ?? 0) + offset) % images.count]
    }

    /// Reads a file; returns its size.
    private func load(_ path: String) throws -> Int {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)  // a pipe would wait for its writer
        guard descriptor >= 0 else {
            let reason = String(cString: strerror(errno))
            // No fault of the image: what replaced it would be another image than elsewhere.
            guard ![EMFILE, ENFILE, ENOMEM, EINTR].contains(errno) else { throw FileError("cannot open \(path): \(reason)") }
            throw ImageFault("cannot be opened (\(reason))")
        }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_size <= Self.maximumFile else {
            throw ImageFault("is no file of at most \(Self.maximumFile >> 20) MiB")
        }
        let size = Int(info.st_size)
        if file.count < size { file = Array(repeating: 0, count: size) }
        var have = 0
        while have < size {
            let step = file.withUnsafeMutableBytes { Foundation.read(descriptor, $0.baseAddress! + have, size - have) }
            if step < 0 && errno == EINTR { continue }
            guard step > 0 else {
                throw ImageFault("cannot be read (\(step == 0 ? "it became shorter" : String(cString: strerror(errno))))")
            }
            have += step
        }
        return size
    }

    /// Fills `window` from the file that was loaded; returns whether it is to be mirrored.
    private func crop(_ image: Int, epoch: Int, bytes: Int) throws -> Bool {
        try file.withUnsafeBufferPointer { file in
            let file = UnsafeBufferPointer(rebasing: file.prefix(bytes))
            let header = try decoder.header(file)
            guard let augmentation else {
                cropCenter(try decoder.decode(file, header))
                return false
            }
            let (part, isFlipped) = augmentation.window(
                seed: seed, epoch: epoch, image: image, height: header.height, width: header.width)
            let reduction = split.reducesDecoding && header.isReducible ? Self.reduction(of: part, to: split.height) : 1
            resize(part, of: try decoder.decode(file, header, reduction: reduction), reduction: reduction)
            return isFlipped
        }
    }

    /// How far the decoder may reduce so that the part still has at least as many rows and columns as are wanted.
    package static func reduction(of part: PixelWindow, to size: Int) -> Int {
        [8, 4, 2].first { part.height >= $0 * size && part.width >= $0 * size } ?? 1
    }

    /// `part` of the full image becomes the whole window; pixels outside it play no role, as if it had been cut out first.
    private func resize(_ part: PixelWindow, of pixels: ImageDecoder.Pixels, reduction: Int) {
        func axis(_ start: Int, _ size: Int, limit: Int, outputs: Int) -> (first: Int, axis: ResizeAxis) {
            let first = start / reduction, end = min((start + size + reduction - 1) / reduction, limit)
            let low = Double(start) / Double(reduction) - Double(first)
            let high = min(low + Double(size) / Double(reduction), Double(end - first))
            return (first, ResizeAxis(inputs: end - first, window: low...high, outputs: outputs, kept: 0..<outputs))
        }
        let rows = axis(part.row, part.height, limit: pixels.height, outputs: split.height)
        let columns = axis(part.column, part.width, limit: pixels.width, outputs: split.width)
        fill(pixels, row: rows.first, column: columns.first, rows.axis, columns.axis)
    }

    /// The centre of the resized image; only what is kept is computed.
    package func cropCenter(_ pixels: ImageDecoder.Pixels) {
        let (height, width) = split.test.resized(height: pixels.height, width: pixels.width)
        guard height >= split.height, width >= split.width else {
            return padCenter(pixels)
        }
        func axis(_ inputs: Int, _ outputs: Int) -> ResizeAxis {
            let start = split.test.start(outputs)
            return ResizeAxis(inputs: inputs, window: 0...Double(inputs), outputs: outputs, kept: start..<start + split.test.crop)
        }
        fill(pixels, row: 0, column: 0, axis(pixels.height, height), axis(pixels.width, width))
    }

    /// Where nothing is resized and the image is smaller than the crop: black around it, as torchvision's `CenterCrop` pads.
    private func padCenter(_ pixels: ImageDecoder.Pixels) {
        let (height, width) = (split.height, split.width)
        let (above, left) = (max(0, height - pixels.height) / 2, max(0, width - pixels.width) / 2)
        let (row, column) = (max(0, split.test.start(pixels.height)), max(0, split.test.start(pixels.width)))
        for y in 0..<height {
            for x in 0..<width {
                let (sourceRow, sourceColumn) = (y - above + row, x - left + column)
                let isInside = (0..<pixels.height).contains(sourceRow) && (0..<pixels.width).contains(sourceColumn)
                for c in 0..<3 {
                    window[4 * (y * width + x) + c] = isInside ? pixels.bytes[pixels.stride * sourceRow + 4 * sourceColumn + c] : 0
                }
            }
        }
    }

    private func fill(_ pixels: ImageDecoder.Pixels, row: Int, column: Int, _ rows: ResizeAxis, _ columns: ResizeAxis) {
        window.withUnsafeMutableBufferPointer { window in
            guard let output = window.baseAddress else { return }
            Datasets.resize(
                pixels.bytes + row * pixels.stride + 4 * column, stride: pixels.stride, horizontal: columns, vertical: rows,
                scratch: &scratch, to: output)
        }
    }
}
