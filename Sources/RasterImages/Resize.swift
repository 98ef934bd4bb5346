// SPDX-License-Identifier: GPL-3.0-or-later

extension RasterImage {
    /// By a triangle filter, widened where the image shrinks (antialiased bilinear, as Pillow and torchvision do it), in `Double`.
    public func resized(height: Int, width: Int) -> RasterImage {
        precondition(height > 0 && width > 0)
        let columns = Self.filter(from: self.width, to: width)
        var narrow = [Double](repeating: 0, count: self.height * width * channels)
        for row in 0..<self.height {
            for (column, taps) in columns.enumerated() {
                for channel in 0..<channels {
                    narrow[(row * width + column) * channels + channel] = taps.weights.enumerated().reduce(0) {
                        $0 + $1.element * Double(pixels[(row * self.width + taps.first + $1.offset) * channels + channel])
                    }
                }
            }
        }
        var result = [UInt8](repeating: 0, count: height * width * channels)
        for (row, taps) in Self.filter(from: self.height, to: height).enumerated() {
            for place in 0..<width * channels {
                let sum = taps.weights.enumerated().reduce(0) { $0 + $1.element * narrow[(taps.first + $1.offset) * width * channels + place] }
                result[row * width * channels + place] = UInt8(min(max(sum.rounded(), 0), 255))
            }
        }
        return RasterImage(height: height, width: width, channels: channels, pixels: result)
    }

    /// Resized so that the shorter side has so many pixels; the longer one is rounded down, as torchvision does it.
    public func resized(shorterSide side: Int) -> RasterImage {
        height <= width ? resized(height: side, width: side * width / height) : resized(height: side * height / width, width: side)
    }

    /// The middle of an image that is at least as large.
    public func centerCropped(height: Int, width: Int) -> RasterImage {
        precondition(height <= self.height && width <= self.width, "a crop lies on the image")
        let (top, left) = (Self.half(self.height - height), Self.half(self.width - width))
        var cropped: [UInt8] = []
        for row in top..<top + height {
            let start = (row * self.width + left) * channels
            cropped += pixels[start..<start + width * channels]
        }
        return RasterImage(height: height, width: width, channels: channels, pixels: cropped)
    }

    /// Half, ties to even, as torchvision's `CenterCrop` rounds.
    private static func half(_ margin: Int) -> Int { Int((Double(margin) / 2).rounded(.toNearestOrEven)) }

    private static func filter(from source: Int, to target: Int) -> [(first: Int, weights: [Double])] {
        let scale = Double(source) / Double(target)
        let support = max(scale, 1)
        return (0..<target).map { place in
            let center = (Double(place) + 0.5) * scale
            let first = max(0, Int(center - support + 0.5))
            let end = min(source, Int(center + support + 0.5))
            let weights: [Double] = (first..<end).map { tap in
                let distance = abs(Double(tap) + 0.5 - center) / support
                return max(0, 1 - distance)
            }
            let sum = weights.reduce(0, +)
            return (first, weights.map { $0 / sum })
        }
    }
}
