// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// A convolution of any shape by the kernels that there are, for 3×3 and 1×1 and channels by sixteen: channels are padded with
/// zeros, and what lies under another kernel becomes the channels of a 1×1 convolution.
struct Lowering {
    let original: ConvolutionShape
    /// What the kernels compute.
    let convolution: ConvolutionShape
    /// Its input is made by `ck_patches_gather`.
    let usesPatches: Bool

    init(_ shape: ConvolutionShape) {
        original = shape
        let input = shape.input.padded
        let direct = ConvolutionShape(
            input: input, outputChannels: paddedChannels(shape.outputChannels), kernel: shape.kernel, stride: shape.stride,
            padding: shape.padding)
        usesPatches = !QuantizedConvolution.supports(direct)
        guard usesPatches else { convolution = direct; return }
        let pixels = FeatureShape(
            height: shape.output.height, width: shape.output.width, channels: shape.kernel * shape.kernel * input.channels)
        convolution = ConvolutionShape(input: pixels, outputChannels: direct.outputChannels, kernel: 1, stride: 1, padding: 0)
    }

    /// The kernel covers the map: the one patch is the map itself.
    var patchIsTheMap: Bool {
        original.padding == 0 && original.kernel == original.input.height && original.kernel == original.input.width
    }

    /// The kernels' weights are the layer's, number for number.
    var keepsWeights: Bool {
        !usesPatches && original.outputChannels == convolution.outputChannels && original.input.channels == convolution.input.channels
    }

    var weightCount: Int { convolution.outputChannels * convolution.input.channels * convolution.kernel * convolution.kernel }

    /// Weights `[O, I, K, K]` among the kernels', whose other places keep what they hold.
    func spread<T>(_ weights: UnsafePointer<T>, _ to: UnsafeMutablePointer<T>) { each { to[$1] = weights[$0] } }

    /// Back again.
    func collect<T>(_ from: UnsafePointer<T>, _ weights: UnsafeMutablePointer<T>) { each { weights[$0] = from[$1] } }

    /// Calls `body` with the place of each weight in the layer's order and in the kernels'.
    private func each(_ body: (_ original: Int, _ lowered: Int) -> Void) {
        let (inputs, taps, padded) = (original.input.channels, original.kernel * original.kernel, original.input.padded.channels)
        for o in 0..<original.outputChannels {
            for i in 0..<inputs {
                for tap in 0..<taps {
                    body((o * inputs + i) * taps + tap, usesPatches ? (o * taps + tap) * padded + i : (o * padded + i) * taps + tap)
                }
            }
        }
    }

    func patches(images: Int) -> ck_patches {
        let input = original.input.padded
        return ck_patches(
            images: images, height: input.height, width: input.width, channels: input.channels, kernel: original.kernel,
            stride: original.stride, padding: original.padding)
    }
}

package func paddedChannels(_ channels: Int) -> Int { (channels + 15) & ~15 }

extension FeatureShape {
    /// As maps lie in memory in low precision: the channels by sixteen, those that are too many hold zeros.
    package var padded: FeatureShape { FeatureShape(height: height, width: width, channels: paddedChannels(channels)) }
}
