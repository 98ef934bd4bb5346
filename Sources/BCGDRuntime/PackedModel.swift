// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// A file that is no packed model, or a damaged one; one line: file, what was expected, what was found.
public struct PackedModelError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = oneLine(description) }
}

/// A trained network for integer inference, as it lies in a `.bcgd` file (Documentation/packed-format.md): a chain of units
/// between maps `[H, W, C]` of levels, the first of which reads an image and the last of which gives class scores.
///
/// Everything is checked when a model is made: sizes, ranges, and that no number can overflow. Weights are unpacked when asked
/// for.
public struct PackedModel: Sendable {
    /// The sides and channels of an image or a map.
    public struct Shape: Equatable, Sendable {
        public let height, width, channels: Int
        public init(height: Int, width: Int, channels: Int) {
            (self.height, self.width, self.channels) = (height, width, channels)
        }
        public var count: Int { height * width * channels }
    }

    /// What happens to an image that has another size.
    public enum Fitting: Equatable, Sendable {
        /// It is refused.
        case none
        /// The shorter side becomes so many pixels, then the centre is cut out.
        case centerCrop(resize: Int)
    }

    /// One unit; convolutions include batch norm, the addition of a shortcut, and the quantized ReLU.
    public struct Unit: Equatable, Sendable {
        /// `first` normalises the image and sums floats; `firstOfBytes` sums its bytes, which is exact (version 2 of the format).
        public enum Kind: UInt8, Sendable { case first = 1, convolution, maximum, classifier, firstOfBytes }
        /// What is added before the activation: nothing, a map of levels, every so-many-th pixel of one with as many zero
        /// channels on both sides as the result has more, or a map of values (`activationBits` 0).
        public enum Shortcut: UInt8, Sendable { case none, levels, subsampled, values }

        public let name: String
        public let kind: Kind
        public let kernel, stride, padding: Int
        /// 1 binary, 2 ternary, 3–8 uniform, 32 float; 0 for a maximum.
        public let weightBits: Int
        /// b of levels 0…2^b − 1, or 0 for a result that stays f32.
        public let activationBits: Int
        public let shortcut: Shortcut
        public let shortcutStride: Int
        /// The units whose results are read; -1 is the image, or no shortcut.
        public let input, shortcutInput: Int
        public let outputChannels: Int
        /// 1 or `outputChannels` scales δ of the weights; none for float weights.
        public let scaleCount: Int
        /// The unit of the shortcut's map divided by that of this unit's.
        public let step: Float
        /// α: what one level is worth; 1 for values.
        public let stepSize: Float

        public init(
            name: String, kind: Kind, kernel: Int = 1, stride: Int = 1, padding: Int = 0, weightBits: Int = 0, activationBits: Int = 0,
            shortcut: Shortcut = .none, shortcutStride: Int = 0, input: Int, shortcutInput: Int = -1, outputChannels: Int,
            scaleCount: Int = 0, step: Float = 0, stepSize: Float = 1
        ) {
            (self.name, self.kind, self.kernel, self.stride, self.padding) = (name, kind, kernel, stride, padding)
            (self.weightBits, self.activationBits, self.shortcut) = (weightBits, activationBits, shortcut)
            (self.shortcutStride, self.input, self.shortcutInput) = (shortcutStride, input, shortcutInput)
            (self.outputChannels, self.scaleCount, self.step, self.stepSize) = (outputChannels, scaleCount, step, stepSize)
        }

        /// The largest level.
        public var qmax: Int { 1 << activationBits - 1 }
        /// The largest magnitude of a code.
        public var maximumIntegerWeight: Int { weightBits == 1 ? 1 : 1 << (weightBits - 1) - 1 }
        public var hasWeights: Bool { kind != .maximum }
        public var readsImage: Bool { kind == .first || kind == .firstOfBytes }
    }

    public let input: Shape
    /// A byte `x` of channel `c` becomes `(x/255 − mean[c]) / std[c]`, each operation rounded to f32. Always four values: those
    /// of channels that the images lack are 0 and 1.
    public let mean, std: [Float]
    public let fitting: Fitting
    /// Class names; a score's index is one into them.
    public let classes: [String]
    /// Where the network came from, for people.
    public let provenance: String
    public let units: [Unit]
    /// Of each unit's result; the classifier's is `[1, 1, classes]`.
    public let shapes: [Shape]
    /// Bytes of the file.
    public var byteCount: Int { storage.count }

    let storage: ByteStorage
    let sections: [Sections]

    /// Where a unit's numbers begin in the file.
    struct Sections: Equatable, Sendable { let weights, scales, channels: Int }

    /// The shape of what a unit reads.
    public func inputShape(_ unit: Int) -> Shape { units[unit].input < 0 ? input : shapes[units[unit].input] }

    /// I·K² of a convolution, the inputs of a classifier.
    func inputsPerOutput(_ unit: Int) -> Int { inputShape(unit).channels * units[unit].kernel * units[unit].kernel }

    func weightCount(_ unit: Int) -> Int { units[unit].hasWeights ? inputsPerOutput(unit) * units[unit].outputChannels : 0 }

    /// Multiply-adds of one image.
    public var multiplyAdds: Int {
        units.indices.reduce(0) { $0 + weightCount($1) * (units[$1].kind == .classifier ? 1 : shapes[$1].height * shapes[$1].width) }
    }

    /// The integer weights `[O, I, K, K]`, or `[O, I]` of a classifier, of a unit whose weights are not float.
    public func integerWeights(_ unit: Int) -> [Int8] {
        precondition((1...8).contains(units[unit].weightBits), "\(units[unit].name) has no codes")
        return IntegerWeightPacking.unpack(
            storage.bytes, at: sections[unit].weights, bits: units[unit].weightBits, count: weightCount(unit))
    }

    /// The weights as floats, in the same order: δ·q in f32 where they are quantized.
    public func floatWeights(_ unit: Int) -> [Float] {
        guard units[unit].weightBits != 32 else { return floats(sections[unit].weights, weightCount(unit)) }
        let (scales, per) = (scales(unit), inputsPerOutput(unit))
        return integerWeights(unit).enumerated().map { scales[units[unit].scaleCount == 1 ? 0 : $0 / per] * Float($1) }
    }

    /// δ of the layer, or of each output channel.
    public func scales(_ unit: Int) -> [Float] { floats(sections[unit].scales, units[unit].scaleCount) }

    /// Of t = a·sum + b, `[O]` each; a classifier has no `a`, and its bias is `b`. Of a first unit of bytes `a` is `[C, O]`, one of each
    /// colour's sum, and `b` `[classes, O]`, one of each class of places at the border (`BorderClasses`).
    public func a(_ unit: Int) -> [Float] { floats(sections[unit].channels, numbers(unit).a) }
    public func b(_ unit: Int) -> [Float] {
        let (a, b) = numbers(unit)
        return floats(sections[unit].channels + 4 * a, b)
    }
    private func numbers(_ unit: Int) -> (a: Int, b: Int) { units[unit].numbers(from: inputShape(unit), to: shapes[unit]) }

    private func floats(_ offset: Int, _ count: Int) -> [Float] {
        (0..<count).map { Float(bitPattern: storage.bytes.loadUnaligned(fromByteOffset: offset + 4 * $0, as: UInt32.self)) }
    }
}
