// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// How images were made of bytes: x of channel c became (x/255 − mean[c])/std[c], rounded to f32 at each operation.
public struct ByteImages: Equatable, Sendable {
    public let mean, std: [Float]

    public init(mean: [Float], std: [Float]) { (self.mean, self.std) = (mean, std) }

    /// Every byte can be told from its normalised value with room to spare, so `ByteConvolution` may be used; not so where a mean is so
    /// large or a deviation so small that f32 loses the bytes.
    package var areRestorable: Bool {
        zip(mean, std).allSatisfy { mean, std in
            (0..<256).allSatisfy { abs(255 * ((Float($0) / 255 - mean) / std * std + mean) - Float($0)) < 0.25 }
        }
    }
}

/// The first convolution with its batch norm by exact sums of the image's bytes, one of each colour (Documentation/packed-format.md):
///
///     t = b[class] + Σ_c a_c·S_c,   a_c = A·δ/(255·σ_c),   b[class] = B − A·δ·Σ_c (μ_c/σ_c)·Q_c[class]
///
/// for a unit whose t = A·sum + B in the sum over normalised pixels with weights δ·q: S_c sums bytes times q, Q_c sums the q whose taps
/// lie in the image, and places at the border fall into classes by those. In `Double`, `a` and `b` rounded to f32 once.
package struct ByteFolding: Equatable, Sendable {
    /// `[C, O]`, and `[classes, O]`.
    package let a, b: [Float]
    /// Of each output row and column.
    let rowClasses, columnClasses: [UInt16]
    let columnClassCount: Int

    /// What the kernels and the packed format take.
    package static func holds(_ shape: ConvolutionShape) -> Bool {
        shape.kernel <= 11 && shape.stride <= 8 && 2 * shape.padding <= shape.kernel && shape.input.channels <= 4
    }

    /// - Parameters:
    ///   - shape: of the convolution, with `folded.count` outputs or more: of the others `a` and `b` are 0.
    ///   - integerWeights: q, `[O, C, K, K]`.
    ///   - scale: δ of an output channel.
    ///   - folded: of each output channel, for a sum that is worth 1.
    package init(
        _ shape: ConvolutionShape, integerWeights: UnsafePointer<Int8>, scale: (Int) -> Float, folded: [BatchNorm.Folded],
        images: ByteImages
    ) {
        let (side, channels, outputs) = (shape.kernel, shape.input.channels, shape.outputChannels)
        func classes(_ length: Int, _ results: Int) -> ([UInt16], [ck_taps]) {
            var (classes, taps) = ([UInt16](repeating: 0, count: results), [ck_taps](repeating: ck_taps(), count: results))
            let count = ck_border_classes(length, side, shape.stride, shape.padding, &classes, &taps)
            return (classes, Array(taps.prefix(count)))
        }
        let (rows, rowTaps) = classes(shape.input.height, shape.output.height)
        let (columns, columnTaps) = classes(shape.input.width, shape.output.width)
        var a = [Float](repeating: 0, count: channels * outputs)
        var b = [Float](repeating: 0, count: rowTaps.count * columnTaps.count * outputs)
        for (o, folded) in folded.enumerated() {
            let factor = folded.exactA * Double(scale(o))
            for c in 0..<channels { a[c * outputs + o] = Float(factor / (255 * Double(images.std[c]))) }
            for (place, (rows, columns)) in rowTaps.flatMap({ row in columnTaps.map { (row, $0) } }).enumerated() {
                var shift = 0.0
                for c in 0..<channels {
                    let plane = integerWeights + (o * channels + c) * side * side
                    var sum = 0
                    for r in rows.begin..<rows.end { for s in columns.begin..<columns.end { sum += Int(plane[r * side + s]) } }
                    shift += Double(images.mean[c]) / Double(images.std[c]) * Double(sum)
                }
                b[place * outputs + o] = Float(folded.exactB - factor * shift)
            }
        }
        (self.a, self.b, rowClasses, columnClasses, columnClassCount) = (a, b, rows, columns, columnTaps.count)
    }
}

/// Runs it on a batch, as evaluation does.
final class ByteConvolution {
    private let shape: ConvolutionShape
    private let weight: Parameter
    private let images: ByteImages
    /// Without its numbers, which `forward` knows.
    private let unit: ck_byte_unit
    private let path: ck_unit_path
    private let integerWeights: Buffer<Int8>
    private let packed, scratch: Buffer<UInt8>
    private let threads: Int32

    /// `nil` where bytes cannot be told from the images, or the weights are no integers.
    /// - Parameter shape: with channels padded to sixteens.
    init?(_ shape: ConvolutionShape, weight: Parameter, images: ByteImages?, qmax: Int, threads: Int32) {
        guard let images, images.areRestorable, ByteFolding.holds(shape), let quantization = weight.spec.quantization else { return nil }
        (self.shape, self.weight, self.images, self.threads) = (shape, weight, images, threads)
        let unit = ck_byte_unit(
            height: shape.input.height, width: shape.input.width, input_channels: shape.input.channels,
            output_channels: shape.outputChannels, kernel: shape.kernel, stride: shape.stride, padding: shape.padding,
            largest_integer_weight: Int32(quantization.quantizer.maximumIntegerWeight), packed: nil, a: nil, b: nil, row_classes: nil,
            column_classes: nil, column_class_count: 0, qmax: Float(qmax))
        self.unit = unit
        path =
            withUnsafePointer(to: unit) { unit in
                // Those further on do more at once.
                (0..<CK_UNIT_PATH_COUNT.rawValue).map { ck_unit_path($0) }
                    .last { ck_unit_has_path($0) != 0 && ck_byte_unit_fits(unit, $0) != 0 }
            } ?? CK_UNIT_PORTABLE
        integerWeights = Buffer(shape.outputChannels * shape.input.channels * shape.kernel * shape.kernel, zero: 0)
        packed = Buffer(ck_byte_unit_packed_bytes(unit, path), zero: 0)
        scratch = Buffer(ck_byte_conv_scratch_bytes(unit, path) * Int(threads), zero: 0)
    }

    /// - Parameters:
    ///   - folded: of each output channel of the layer, for a sum that is worth 1.
    ///   - levels: `[N, H′, W′, O]`.
    func forward(_ input: Tensor, folded: [BatchNorm.Folded], into levels: UnsafeMutablePointer<UInt8>, batch: Int) {
        guard let own = weight.integerWeights else { preconditionFailure("\(weight.name) has no integers") }
        integerWeights.pointer.update(from: own, count: weight.value.count)
        let folding = ByteFolding(shape, integerWeights: integerWeights.pointer, scale: weight.scale(of:), folded: folded, images: images)
        var unit = unit
        ck_byte_unit_pack(integerWeights.pointer, unit, path, packed.pointer)
        unit.packed = UnsafeRawPointer(packed.pointer)
        folding.a.withUnsafeBufferPointer { a in
            folding.b.withUnsafeBufferPointer { b in
                folding.rowClasses.withUnsafeBufferPointer { rows in
                    folding.columnClasses.withUnsafeBufferPointer { columns in
                        (unit.a, unit.b, unit.row_classes, unit.column_classes) = (
                            a.baseAddress, b.baseAddress, rows.baseAddress, columns.baseAddress
                        )
                        unit.column_class_count = folding.columnClassCount
                        run(input, unit, into: levels, batch: batch)
                    }
                }
            }
        }
    }

    private func run(_ input: Tensor, _ unit: ck_byte_unit, into levels: UnsafeMutablePointer<UInt8>, batch: Int) {
        images.mean.withUnsafeBufferPointer { mean in
            images.std.withUnsafeBufferPointer { std in
                withUnsafePointer(to: unit) { unit in
                    ck_byte_conv_forward(
                        input.pointer, ck_byte_images(mean: mean.baseAddress, std: std.baseAddress, count: batch), unit, path, levels,
                        scratch.pointer, threads)
                }
            }
        }
    }
}
