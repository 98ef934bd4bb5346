// SPDX-License-Identifier: GPL-3.0-or-later
import Graph

/// The three passes of `QuantizedConvolution` and `BF16Convolution` as their definitions read: what the kernels are tested
/// against. Numbers are levels, integer weights or floats; sums are exact for the former two and `Double` for floats.
public enum QuantizedConvolutionReference {
    /// `y[n,h,w,o] = Σ_{i,r,s} x[n, h·stride+r−pad, w·stride+s−pad, i] · q[o,i,r,s]`, `[batch, H′, W′, O]`.
    public static func forward(_ x: [UInt8], _ q: [Int8], _ shape: ConvolutionShape, batch: Int) -> [Int32] {
        var y = [Int32](repeating: 0, count: batch * shape.output.count)
        forEachProduct(shape, batch: batch) { atX, atQ, atY in y[atY] += Int32(x[atX]) * Int32(q[atQ]) }
        return y
    }

    /// As above, of floats.
    public static func forward(_ x: [Float], _ w: [Float], _ shape: ConvolutionShape, batch: Int) -> [Double] {
        var y = [Double](repeating: 0, count: batch * shape.output.count)
        forEachProduct(shape, batch: batch) { atX, atW, atY in y[atY] += Double(x[atX]) * Double(w[atW]) }
        return y
    }

    /// The adjoint of the forward pass in `x`, applied to `dy`: `[batch, H, W, I]`.
    public static func inputGradient(_ dy: [Float], _ q: [Int8], _ shape: ConvolutionShape, batch: Int) -> [Double] {
        inputGradient(dy, q.map { Float($0) }, shape, batch: batch)
    }

    public static func inputGradient(_ dy: [Float], _ w: [Float], _ shape: ConvolutionShape, batch: Int) -> [Double] {
        var dx = [Double](repeating: 0, count: batch * shape.input.count)
        forEachProduct(shape, batch: batch) { atX, atW, atY in dx[atX] += Double(dy[atY]) * Double(w[atW]) }
        return dx
    }

    /// The adjoint of the forward pass in the weights, applied to `dy`: `[O, I, K, K]`.
    public static func weightGradient(_ x: [UInt8], _ dy: [Float], _ shape: ConvolutionShape, batch: Int) -> [Double] {
        weightGradient(x.map { Float($0) }, dy, shape, batch: batch)
    }

    public static func weightGradient(_ x: [Float], _ dy: [Float], _ shape: ConvolutionShape, batch: Int) -> [Double] {
        let weights = shape.outputChannels * shape.input.channels * shape.kernel * shape.kernel
        var dw = [Double](repeating: 0, count: weights)
        forEachProduct(shape, batch: batch) { atX, atW, atY in dw[atW] += Double(dy[atY]) * Double(x[atX]) }
        return dw
    }

    /// Calls `product` with the offsets into x, q and y of each product that the forward pass adds up: for each of y in the order of
    /// (r, s, i), for each of q in that of y's pixels.
    @inline(__always)
    public static func forEachProduct(_ shape: ConvolutionShape, batch: Int, _ product: (Int, Int, Int) -> Void) {
        let (input, output, side) = (shape.input, shape.output, shape.kernel)
        for n in 0..<batch {
            for h in 0..<output.height {
                for w in 0..<output.width {
                    for r in 0..<side {
                        for s in 0..<side {
                            let (row, column) = (h * shape.stride + r - shape.padding, w * shape.stride + s - shape.padding)
                            guard 0..<input.height ~= row, 0..<input.width ~= column else { continue }
                            let atX = ((n * input.height + row) * input.width + column) * input.channels
                            let atY = ((n * output.height + h) * output.width + w) * output.channels
                            for o in 0..<output.channels {
                                for i in 0..<input.channels {
                                    product(atX + i, ((o * input.channels + i) * side + r) * side + s, atY + o)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
