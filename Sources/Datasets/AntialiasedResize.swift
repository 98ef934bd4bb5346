// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// One axis of an antialiased bilinear resize in Pillow's fixed-point arithmetic, which is torchvision's too for images
/// (`Image.resize(…, BILINEAR)`, Pillow's `Resample.c`; bit for bit, tested).
///
/// Output `i` is the mean of the inputs under a triangle around its centre `(i + ½)·s`, `s` inputs an output; the triangle
/// is `max(s, 1)` wide to each side, so that a reduction leaves no input out:
///
///     w_ik ∝ max(0, 1 − |k + ½ − (i + ½)s| / max(s, 1)),   Σ_k w_ik = 1, as integers w·2²² rounded
///     output_i = (Σ_k w_ik·input_k + 2²¹) >> 22
///
/// A whole resize is the horizontal axis on every row, rounded to bytes, and then the vertical axis.
package struct ResizeAxis: Equatable {
    /// Of each output: its first input, how many inputs it takes, and their weights, in rows of `taps`.
    private(set) var first: [Int32] = []
    private(set) var count: [Int32] = []
    private(set) var weights: [Int32] = []
    package let taps: Int

    /// - Parameters:
    ///   - inputs: how many there are; none beyond them is read.
    ///   - window: the part of `0...inputs` that becomes the outputs.
    ///   - outputs: how many the window becomes.
    ///   - kept: which of these are wanted.
    package init(inputs: Int, window: ClosedRange<Double>, outputs: Int, kept: Range<Int>) {
        let scale = (window.upperBound - window.lowerBound) / Double(outputs)
        let support = max(scale, 1)  // the triangle's half width
        taps = Int(support.rounded(.up)) * 2 + 1
        for output in kept {
            let center = window.lowerBound + (Double(output) + 0.5) * scale
            let low = max(Int(center - support + 0.5), 0), high = min(Int(center + support + 0.5), inputs)
            let triangle = (low..<high).map { max(0, 1 - abs(Double($0) - center + 0.5) * (1 / support)) }
            let total = triangle.reduce(0, +)
            first.append(Int32(low))
            count.append(Int32(high - low))
            weights += triangle.map { Int32(0.5 + (total == 0 ? $0 : $0 / total) * Double(1 << 22)) }
            weights += Array(repeating: 0, count: taps - (high - low))
        }
    }

    package var outputs: Int { first.count }
    /// The inputs that the outputs take.
    package var inputs: Range<Int> { Int(first[0])..<Int(first[outputs - 1] + count[outputs - 1]) }

    /// One output, by definition.
    func output(_ index: Int, of input: (Int) -> UInt8) -> UInt8 {
        let sum = (0..<Int(count[index])).reduce(Int32(1) << 21) { $0 + weights[index * taps + $1] * Int32(input(Int(first[index]) + $1)) }
        return UInt8(clamping: sum >> 22)
    }

    fileprivate func withC<Result>(_ body: (ck_resize_axis) -> Result) -> Result {
        first.withUnsafeBufferPointer { first in
            count.withUnsafeBufferPointer { count in
                weights.withUnsafeBufferPointer { weights in
                    body(
                        ck_resize_axis(
                            first: first.baseAddress, count: count.baseAddress, weights: weights.baseAddress, taps: taps, outputs: outputs))
                }
            }
        }
    }
}

/// Resizes `pixels`, `[H, W, 4]`, to `[vertical.outputs, horizontal.outputs, 4]`: the definition that `resize` is tested against.
package func resizeReference(_ pixels: [UInt8], width: Int, horizontal: ResizeAxis, vertical: ResizeAxis) -> [UInt8] {
    let height = pixels.count / (4 * width)
    let rows = (0..<height).flatMap { y in
        (0..<horizontal.outputs).flatMap { x in
            (0..<4).map { c in horizontal.output(x) { pixels[(y * width + $0) * 4 + c] } }
        }
    }
    return (0..<vertical.outputs).flatMap { y in
        (0..<horizontal.outputs).flatMap { x in
            (0..<4).map { c in vertical.output(y) { rows[($0 * horizontal.outputs + x) * 4 + c] } }
        }
    }
}

/// The same from `pixels` with `stride` bytes a row, fast.
/// - Parameters:
///   - scratch: grows as needed; its content does not matter.
///   - output: `[vertical.outputs, horizontal.outputs, 4]`.
package func resize(
    _ pixels: UnsafePointer<UInt8>, stride: Int, horizontal: ResizeAxis, vertical: ResizeAxis, scratch: inout [UInt8],
    to output: UnsafeMutablePointer<UInt8>
) {
    let needed = vertical.inputs.count * horizontal.outputs * 4
    if scratch.count < needed { scratch = Array(repeating: 0, count: needed) }
    scratch.withUnsafeMutableBufferPointer { scratch in
        horizontal.withC { horizontal in
            vertical.withC { vertical in ck_resize_rgbx(pixels, stride, horizontal, vertical, scratch.baseAddress, output) }
        }
    }
}

/// An image resized: `[H, W, C]` with C ≤ 4 becomes `[height, width, C]`, of which the wanted rows and columns are computed.
/// - Parameter size: of the whole image after resizing; `rows` and `columns` lie in it, and are not empty.
package func resized(
    _ pixels: [UInt8], height: Int, width: Int, channels: Int, to size: (height: Int, width: Int), rows: Range<Int>,
    columns: Range<Int>
) -> [UInt8] {
    precondition(pixels.count == height * width * channels && channels <= 4, "pixels are [H, W, C]")
    precondition(!rows.isEmpty && !columns.isEmpty && (0..<size.height).contains(rows) && (0..<size.width).contains(columns))
    let four = [UInt8](unsafeUninitializedCapacity: height * width * 4) { four, count in
        for pixel in 0..<height * width {
            for c in 0..<4 { four[4 * pixel + c] = c < channels ? pixels[pixel * channels + c] : 0 }
        }
        count = height * width * 4
    }
    func axis(_ inputs: Int, _ outputs: Int, _ kept: Range<Int>) -> ResizeAxis {
        ResizeAxis(inputs: inputs, window: 0...Double(inputs), outputs: outputs, kept: kept)
    }
    let (horizontal, vertical) = (axis(width, size.width, columns), axis(height, size.height, rows))
    var (scratch, result) = ([UInt8](), [UInt8](repeating: 0, count: rows.count * columns.count * 4))
    resize(four, stride: 4 * width, horizontal: horizontal, vertical: vertical, scratch: &scratch, to: &result)
    return (0..<rows.count * columns.count * channels).map { result[$0 / channels * 4 + $0 % channels] }
}
