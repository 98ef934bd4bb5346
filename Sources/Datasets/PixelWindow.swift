// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Statistics

/// A rectangle of whole pixels of an image.
package struct PixelWindow: Equatable, Sendable {
    package var row, column, height, width: Int

    package init(row: Int, column: Int, height: Int, width: Int) {
        (self.row, self.column, self.height, self.width) = (row, column, height, width)
    }

    /// torchvision's `RandomResizedCrop`: an area uniform in `smallestArea…1` of the image's and an aspect ratio log-uniform in
    /// 3/4 … 4/3; ten tries to fit them into the image, else the largest central window with a ratio in that range.
    static func randomResizedCrop(height: Int, width: Int, smallestArea: Double, _ random: inout Philox) -> PixelWindow {
        let (low, high) = (3.0 / 4.0, 4.0 / 3.0)
        for _ in 0..<10 {
            let area = Double(height * width) * (smallestArea + (1 - smallestArea) * random.uniform())
            let ratio = exp(log(low) + (log(high) - log(low)) * random.uniform())
            let (w, h) = (
                Int((area * ratio).squareRoot().rounded(.toNearestOrEven)), Int((area / ratio).squareRoot().rounded(.toNearestOrEven))
            )
            guard w > 0, w <= width, h > 0, h <= height else { continue }
            let row = Int(random.below(UInt64(height - h + 1)))
            return PixelWindow(row: row, column: Int(random.below(UInt64(width - w + 1))), height: h, width: w)
        }
        let ratio = Double(width) / Double(height)
        var (w, h) = (width, height)
        if ratio < low { h = Int((Double(width) / low).rounded(.toNearestOrEven)) }
        if ratio > high { w = Int((Double(height) * high).rounded(.toNearestOrEven)) }
        return PixelWindow(row: (height - h) / 2, column: (width - w) / 2, height: h, width: w)
    }
}

/// How a test image becomes a square: the short side is resized, then the centre is cropped (torchvision's `Resize(resize)`
/// and `CenterCrop(crop)`).
public struct CenterCrop: Sendable, Equatable {
    /// Pixels of the short side; `nil` leaves the image as it is.
    public var resize: Int?
    /// Rows and columns that are kept.
    public var crop: Int

    public init(resize: Int?, crop: Int) {
        precondition(crop > 0 && resize ?? crop >= crop, "the crop fits into the resized image")
        (self.resize, self.crop) = (resize, crop)
    }

    /// ImageNet's rule, 256 for a crop of 224, for other crops in proportion.
    public init(crop: Int) {
        self.init(resize: Int((Double(crop) * 256 / 224).rounded()), crop: crop)
    }

    /// Size of the whole image after resizing.
    package func resized(height: Int, width: Int) -> (height: Int, width: Int) {
        guard let resize else { return (height, width) }
        let (short, long) = (min(height, width), max(height, width))
        let other = Int(Double(resize * long) / Double(short))
        return height <= width ? (resize, other) : (other, resize)
    }

    /// The first row or column that is kept.
    package func start(_ size: Int) -> Int { Self.start(size, keeping: crop) }

    /// Half of what is cut off, ties to even as torchvision's `CenterCrop` rounds.
    package static func start(_ size: Int, keeping crop: Int) -> Int { Int((Double(size - crop) / 2).rounded(.toNearestOrEven)) }
}
