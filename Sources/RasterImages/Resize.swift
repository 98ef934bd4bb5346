// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets

extension RasterImage {
    /// Antialiased bilinear, to the bit as Pillow and torchvision do it (`ResizeAxis` in `Datasets`).
    public func resized(height: Int, width: Int) -> RasterImage {
        part(of: (height, width), rows: 0..<height, columns: 0..<width)
    }

    /// Resized so that the shorter side has so many pixels (the longer one is rounded down, as torchvision does it), and of that
    /// the middle; the rest is not computed, as it may be large: 1×60,000 pixels resized to 256 on the shorter side have
    /// 4 billion.
    /// - Parameters:
    ///   - side: at least `height` and `width`.
    ///   - height, width: of the result.
    public func centerCropped(resize side: Int, height: Int, width: Int) -> RasterImage {
        precondition(height <= side && width <= side, "a crop lies on the image")
        let size = CenterCrop(resize: side, crop: side).resized(height: self.height, width: self.width)
        let (top, left) = (CenterCrop.start(size.height, keeping: height), CenterCrop.start(size.width, keeping: width))
        return part(of: size, rows: top..<top + height, columns: left..<left + width)
    }

    private func part(of size: (height: Int, width: Int), rows: Range<Int>, columns: Range<Int>) -> RasterImage {
        let pixels = Datasets.resized(
            self.pixels, height: height, width: width, channels: channels, to: size, rows: rows, columns: columns)
        return RasterImage(height: rows.count, width: columns.count, channels: channels, pixels: pixels)
    }
}
