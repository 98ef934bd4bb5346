// SPDX-License-Identifier: GPL-3.0-or-later

/// The shape of one image's feature map: `H` rows, `W` columns, `C` channels.
public struct FeatureShape: Hashable, Codable, Sendable {
    public let height, width, channels: Int

    public init(height: Int, width: Int, channels: Int) {
        (self.height, self.width, self.channels) = (height, width, channels)
    }

    public var count: Int { height * width * channels }

    /// The map after a square window with zero padding on all four sides has gone over it; a last row or column that does not
    /// fill a window is left out.
    package func windowed(kernel: Int, stride: Int, padding: Int, channels: Int) -> FeatureShape {
        FeatureShape(
            height: (height + 2 * padding - kernel) / stride + 1, width: (width + 2 * padding - kernel) / stride + 1,
            channels: channels)
    }
}

/// A square convolution: kernel side `K`, stride, zero padding on all four sides.
public struct ConvolutionShape: Hashable, Sendable {
    public let input: FeatureShape
    public let outputChannels, kernel, stride, padding: Int

    public init(input: FeatureShape, outputChannels: Int, kernel: Int, stride: Int, padding: Int) {
        precondition(input.height + 2 * padding >= kernel && input.width + 2 * padding >= kernel)
        (self.input, self.outputChannels, self.kernel) = (input, outputChannels, kernel)
        (self.stride, self.padding) = (stride, padding)
    }

    public var output: FeatureShape {
        input.windowed(kernel: kernel, stride: stride, padding: padding, channels: outputChannels)
    }

    /// Multiply-adds of one image's forward pass, taps on the padding counted.
    public var multiplyAdds: Int { output.count * input.channels * kernel * kernel }
}
