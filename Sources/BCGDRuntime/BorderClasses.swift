// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// The places of a convolution's result by which of their taps lie in the image: rows and columns are numbered as classes appear, and
/// a place's class is (its row's)·(column classes) + (its column's).
public struct BorderClasses: Equatable, Sendable {
    /// Of each output row and column.
    public let rows, columns: [UInt16]
    /// Taps of the kernel's side that lie in the image, of each class.
    public let rowTaps, columnTaps: [Range<Int>]
    public var count: Int { rowTaps.count * columnTaps.count }

    package init(_ unit: PackedModel.Unit, from: PackedModel.Shape, to: PackedModel.Shape) {
        func classes(_ side: Int, _ outputs: Int) -> ([UInt16], [Range<Int>]) {
            var (classes, taps) = ([UInt16](repeating: 0, count: outputs), [ck_taps](repeating: ck_taps(), count: outputs))
            let count = ck_border_classes(side, unit.kernel, unit.stride, unit.padding, &classes, &taps)
            return (classes, taps.prefix(count).map { $0.begin..<$0.end })
        }
        (rows, rowTaps) = classes(from.height, to.height)
        (columns, columnTaps) = classes(from.width, to.width)
    }
}

extension PackedModel.Unit {
    /// How many numbers `a` and `b` a file holds of the unit.
    func numbers(from: PackedModel.Shape, to: PackedModel.Shape) -> (a: Int, b: Int) {
        switch kind {
        case .maximum: (0, 0)
        case .classifier: (0, outputChannels)
        case .first, .convolution: (outputChannels, outputChannels)
        case .firstOfBytes: (from.channels * outputChannels, BorderClasses(self, from: from, to: to).count * outputChannels)
        }
    }
}

extension PackedModel {
    public func borderClasses(_ unit: Int) -> BorderClasses { BorderClasses(units[unit], from: inputShape(unit), to: shapes[unit]) }

    /// Of t = a·sum + b, `[O]` each, for a sum over normalised pixels with the weights δ·q, as programs in floats compute the first unit:
    /// with S_c the sum of bytes, a_c·S_c = a_c·255·(σ_c·sum_c + μ_c·Q_c), Q_c the sum of the integer weights whose taps lie in the image.
    /// Rounded to f32 once, so t is the packed model's up to rounding. Of other units `a` and `b` themselves.
    public func floatNumbers(_ unit: Int) -> (a: [Float], b: [Float]) {
        guard units[unit].kind == .firstOfBytes else { return (a(unit), b(unit)) }
        let (perColour, b, classes) = (a(unit), b(unit), borderClasses(unit))
        let (outputs, side, integerWeights, scales) = (units[unit].outputChannels, units[unit].kernel, integerWeights(unit), scales(unit))
        // The class that the fewest taps are missing of.
        func fullest(_ taps: [Range<Int>]) -> Int { taps.indices.max { taps[$0].count < taps[$1].count } ?? 0 }
        let (row, column) = (fullest(classes.rowTaps), fullest(classes.columnTaps))
        var (factors, terms): ([Float], [Float]) = ([], [])
        for o in 0..<outputs {
            let scale = Double(scales[scales.count == 1 ? 0 : o])
            factors.append(scale == 0 ? 0 : Float(Double(perColour[o]) * 255 * Double(std[0]) / scale))
            var term = Double(b[(row * classes.columnTaps.count + column) * outputs + o])
            for c in 0..<input.channels {
                let plane = (o * input.channels + c) * side
                let sum = classes.rowTaps[row].reduce(0) { sum, r in
                    classes.columnTaps[column].reduce(sum) { $0 + Int(integerWeights[(plane + r) * side + $1]) }
                }
                term += Double(perColour[c * outputs + o]) * 255 * Double(mean[c]) * Double(sum)
            }
            terms.append(Float(term))
        }
        return (factors, terms)
    }
}
