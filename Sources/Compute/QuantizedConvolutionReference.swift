// SPDX-License-Identifier: GPL-3.0-or-later

/// `QuantizedConvolution`'s three passes as their definitions read: what its kernels are tested against.
public enum QuantizedConvolutionReference {
    /// `y[n,h,w,o] = Σ_{i,r,s} x[n, h·stride+r−pad, w·stride+s−pad, i] · q[o,i,r,s]`, `[batch, H′, W′, O]`.
    public static func forward(_ x: [UInt8], _ q: [Int8], _ shape: ConvolutionShape, batch: Int) -> [Int32] {
        var y = [Int32](repeating: 0, count: batch * shape.output.count)
        forEachProduct(shape, batch: batch) { atX, atQ, atY in y[atY] += Int32(x[atX]) * Int32(q[atQ]) }
        return y
    }

    /// The adjoint of the forward pass in `x`, applied to `dy`: `[batch, H, W, I]`.
    public static func inputGradient(_ dy: [Float], _ q: [Int8], _ shape: ConvolutionShape, batch: Int) -> [Double] {
        var dx = [Double](repeating: 0, count: batch * shape.input.count)
        forEachProduct(shape, batch: batch) { atX, atQ, atY in dx[atX] += Double(dy[atY]) * Double(q[atQ]) }
        return dx
    }

    /// The adjoint of the forward pass in `q`, applied to `dy`: `[O, I, K, K]`.
    public static func weightGradient(_ x: [UInt8], _ dy: [Float], _ shape: ConvolutionShape, batch: Int) -> [Double] {
        let weights = shape.outputChannels * shape.input.channels * shape.kernel * shape.kernel
        var dq = [Double](repeating: 0, count: weights)
        forEachProduct(shape, batch: batch) { atX, atQ, atY in dq[atQ] += Double(dy[atY]) * Double(x[atX]) }
        return dq
    }

    /// Calls `product` with the offsets into x, q and y of each product that the forward pass adds up.
    @inline(__always)
    private static func forEachProduct(_ shape: ConvolutionShape, batch: Int, _ product: (Int, Int, Int) -> Void) {
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
