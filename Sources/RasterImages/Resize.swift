// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets

extension RasterImage {
    /// Antialiased bilinear, to the bit as Pillow and torchvision do it (`ResizeAxis` in `Datasets`).
    public func resized(height: Int, width: Int) -> RasterImage {
        precondition(height > 0 && width > 0)
        let pixels = Datasets.resized(
            self.pixels, height: self.height, width: self.width, channels: channels, toHeight: height, toWidth: width)
        return RasterImage(height: height, width: width, channels: channels, pixels: pixels)
    }

    /// Resized so that the shorter side has so many pixels; the longer one is rounded down, as torchvision does it.
    public func resized(shorterSide side: Int) -> RasterImage {
        let size = CenterCrop(resize: side, crop: side).resized(height: height, width: width)
        return resized(height: size.height, width: size.width)
    }

    /// The middle of an image that is at least as large.
    public func centerCropped(height: Int, width: Int) -> RasterImage {
        precondition(height <= self.height && width <= self.width, "a crop lies on the image")
        let (top, left) = (CenterCrop.start(self.height, keeping: height), CenterCrop.start(self.width, keeping: width))
        var cropped: [UInt8] = []
        for row in top..<top + height {
            let start = (row * self.width + left) * channels
            cropped += pixels[start..<start + width * channels]
        }
        return RasterImage(height: height, width: width, channels: channels, pixels: cropped)
    }
}
