// SPDX-License-Identifier: GPL-3.0-or-later
import Statistics

/// Training-time augmentation (METHOD.md part 2, recipe `paper`), before normalisation: a random crop, then a fair horizontal
/// flip (torchvision's `RandomHorizontalFlip()`).
public struct Augmentation: Sendable, Equatable {
    public enum Crop: Sendable, Equatable {
        /// A window of the image's own size after so many black pixels were added on every side: torchvision's
        /// `RandomCrop(size, padding)`, for images of one size in memory.
        case padded(Int)
        /// A window of at least this part of the image's area, resized (`RandomResizedCrop`), for images in files.
        case resized(smallestArea: Double)
    }

    public var crop: Crop
    /// Whether to flip with probability ½.
    public var flips: Bool

    public init(padding: Int = 4, flips: Bool = true) {
        precondition(padding >= 0, "padding is a number of pixels")
        (crop, self.flips) = (.padded(padding), flips)
    }

    public init(smallestArea: Double, flips: Bool = true) {
        precondition(smallestArea > 0 && smallestArea <= 1, "the area is a part of the image's")
        (crop, self.flips) = (.resized(smallestArea: smallestArea), flips)
    }

    /// The placement of one image in one epoch, with padding: a function of the arguments alone.
    public func placement(seed: UInt64, epoch: Int, image: Int) -> Placement {
        guard case .padded(let padding) = crop else { preconditionFailure("images in memory are cropped with padding") }
        var random = Philox(seed: seed, stream: randomStream(.augmentation, epoch: epoch, index: image))
        let offsets = UInt64(2 * padding + 1)
        let row = Int(random.below(offsets)) - padding
        let column = Int(random.below(offsets)) - padding
        return Placement(row: row, column: column, isFlipped: flips && random.below(2) == 1)
    }
}

extension Augmentation {
    /// The window of one image of `height`×`width` pixels in one epoch, and whether its columns are mirrored: a function of the
    /// arguments alone.
    package func window(seed: UInt64, epoch: Int, image: Int, height: Int, width: Int) -> (window: PixelWindow, isFlipped: Bool) {
        guard case .resized(let smallestArea) = crop else { preconditionFailure("images in files are cropped and resized") }
        var random = Philox(seed: seed, stream: randomStream(.augmentation, epoch: epoch, index: image))
        // The flip first, so that its place in the stream doesn't depend on how many crops were tried.
        let isFlipped = random.below(2) == 1
        let window = PixelWindow.randomResizedCrop(height: height, width: width, smallestArea: smallestArea, &random)
        return (window, flips && isFlipped)
    }
}

/// Where the output window lies on an image: pixel `(y, x)` of the crop is pixel `(y + row, x + column)` of the
/// image, black outside it; the flip mirrors the crop.
public struct Placement: Sendable, Equatable {
    public var row: Int
    public var column: Int
    public var isFlipped: Bool

    /// The image as it is.
    public static let identity = Placement(row: 0, column: 0, isFlipped: false)

    public init(row: Int, column: Int, isFlipped: Bool) {
        (self.row, self.column, self.isFlipped) = (row, column, isFlipped)
    }

    /// Writes the normalised window.
    /// - Parameters:
    ///   - image: raw bytes `[H, W, C]`.
    ///   - table: `PixelNormalization.table`, `[C, 256]`.
    ///   - output: f32 `[H, W, C]`.
    func write(
        _ image: UnsafePointer<UInt8>, height: Int, width: Int, channels: Int, table: UnsafePointer<Float>,
        to output: UnsafeMutablePointer<Float>
    ) {
        let inside = min(max(0, -column), width)..<max(min(width, width - column), min(max(0, -column), width))
        let step = isFlipped ? -channels : channels
        for y in 0..<height {
            let start = output + (y * width + (isFlipped ? width - 1 : 0)) * channels
            func black(_ columns: Range<Int>) {
                for x in columns {
                    for channel in 0..<channels { start[x * step + channel] = table[256 * channel] }
                }
            }
            guard (0..<height).contains(y + row) else {
                black(0..<width)
                continue
            }
            black(0..<inside.lowerBound)
            black(inside.upperBound..<width)
            var source = image + ((y + row) * width + column + inside.lowerBound) * channels
            var target = start + inside.lowerBound * step
            for _ in inside {
                if channels == 3 {  // written out, as the compiler does not unroll the loop below
                    (target[0], target[1], target[2]) = (table[Int(source[0])], table[256 + Int(source[1])], table[512 + Int(source[2])])
                } else {
                    for channel in 0..<channels { target[channel] = table[256 * channel + Int(source[channel])] }
                }
                source += channels
                target += step
            }
        }
    }
}

/// The order of a split's images in one epoch: a Fisher–Yates shuffle drawn from a stream of its own.
/// - Returns: a permutation of `0..<count`, a function of the arguments alone.
public func shuffledOrder(count: Int, seed: UInt64, epoch: Int) -> [Int32] {
    var random = Philox(seed: seed, stream: randomStream(.shuffle, epoch: epoch, index: 0))
    var order = Array(0..<Int32(count))
    for last in stride(from: count - 1, to: 0, by: -1) {
        order.swapAt(last, Int(random.below(UInt64(last + 1))))
    }
    return order
}

/// The top byte of a stream number: keeps the uses of one seed apart.
private enum RandomUse: UInt64 {
    case shuffle = 0xD5
    case augmentation = 0xDA
}

/// The stream number: use (8 bits), epoch (24 bits), image (32 bits).
private func randomStream(_ use: RandomUse, epoch: Int, index: Int) -> UInt64 {
    precondition((0..<1 << 24).contains(epoch) && (0..<1 << 32).contains(index), "epoch below 2²⁴, index below 2³²")
    return use.rawValue << 56 | UInt64(epoch) << 32 | UInt64(index)
}

extension Philox {
    /// Uniform on `0..<bound` by multiplication, one word a draw; each value's probability is within 2⁻⁶⁴ of
    /// 1/bound, and the result does not depend on the standard library's algorithm.
    mutating func below(_ bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }
}
