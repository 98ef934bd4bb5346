// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// One thing done to an image; inputs and outputs are byte offsets in a worker's maps.
struct InferenceStep {
    /// Output rows, which threads may share; a classifier has one.
    let rows: Int
    let output: Int
    let scratchBytes: Int
    /// The model's unit; none for a shortcut's subsampling.
    let unit: Int?
    private let action: Action

    private enum Action {
        case first(ck_first_unit, ck_unit_path)
        case bytes(ck_byte_unit, ck_unit_path)
        case convolution(ck_unit, ck_unit_path, input: Int, shortcut: Int?, isWide: Bool)
        case maximum(ck_level_window, input: Int)
        case subsampling(ck_level_subsampling, input: Int)
        case patches(ck_patches, input: Int)
        case classifier(Scores, input: Int)
    }
    /// Keeps what the action points to.
    private let owners: [AnyObject]

    private struct Scores {
        let pixels, inputs, outputs: Int
        let integerWeights: UnsafePointer<Int8>?
        let weights, scale: UnsafePointer<Float>?
        let bias: UnsafePointer<Float>
        let unit: Float
        /// Where the sums' offset in scratch ends.
        var sumBytes: Int { (4 * inputs + 63) & ~63 }
    }

    /// - Parameters:
    ///   - maps: of the worker, or of the image where threads share rows.
    ///   - scores: `[classes]`, of this image.
    func run(
        rows: Range<Int>, image: UnsafePointer<UInt8>, maps: UnsafeMutableRawPointer, scratch: UnsafeMutableRawPointer,
        scores: UnsafeMutablePointer<Float>
    ) {
        func levels(_ offset: Int) -> UnsafeMutablePointer<UInt8> { (maps + offset).assumingMemoryBound(to: UInt8.self) }
        let (begin, end) = (rows.lowerBound, rows.upperBound)
        switch action {
        case .first(var unit, let path): ck_first_unit_run(&unit, path, image, levels(output), begin, end, scratch)
        case .bytes(var unit, let path): ck_byte_unit_run(&unit, path, image, levels(output), begin, end, scratch)
        case .convolution(var unit, let path, let input, let shortcut, let isWide):
            ck_unit_run(
                &unit, path, levels(input), shortcut.map { UnsafeRawPointer(maps + $0) }, isWide ? 1 : 0, maps + output, begin, end, scratch
            )
        case .maximum(let window, let input): ck_level_window_max(window, levels(input), levels(output), begin, end)
        case .subsampling(let shape, let input): ck_level_subsample(shape, levels(input), levels(output), begin, end)
        case .patches(let shape, let input): ck_patches_gather_rows(levels(input), levels(output), 1, shape, begin, end)
        case .classifier(let s, let input):
            let sums = scratch.assumingMemoryBound(to: Int32.self)
            let room = (scratch + s.sumBytes).assumingMemoryBound(to: Int32.self)
            ck_level_sums(levels(input), s.pixels, s.inputs, sums)
            if let integerWeights = s.integerWeights {
                ck_integer_scores(sums, integerWeights, s.inputs, s.outputs, s.scale, s.bias, room, scores)
            } else {
                ck_float_scores(sums, s.unit, s.weights, s.inputs, s.outputs, s.bias, scores)
            }
        }
    }

    private init(_ action: Action, rows: Int, output: Int, scratchBytes: Int = 0, unit: Int?, owners: [AnyObject] = []) {
        (self.action, self.rows, self.output, self.scratchBytes) = (action, rows, output, scratchBytes)
        (self.unit, self.owners) = (unit, owners)
    }

    // MARK: Making steps

    static func unit(_ model: PackedModel, _ index: Int, path: Classifier.Path, input: Int, shortcut: Int?, output: Int) -> InferenceStep {
        switch model.units[index].kind {
        case .first: first(model, index, path: path, output: output)
        case .firstOfBytes: firstOfBytes(model, index, path: path, output: output)
        case .convolution: convolution(model, index, path: path, input: input, shortcut: shortcut, output: output)
        case .maximum: maximum(model, index, input: input, output: output)
        case .classifier: classifier(model, index, input: input)
        }
    }

    static func subsampling(_ model: PackedModel, unit index: Int, input: Int, output: Int) -> InferenceStep {
        let (unit, shape) = (model.units[index], model.shapes[index])
        let from = model.shapes[unit.shortcutInput]
        let subsampling = ck_level_subsampling(
            width: from.width, channels: from.channels, stride: unit.shortcutStride, output_width: shape.width,
            padding: (shape.channels - from.channels) / 2)
        return InferenceStep(.subsampling(subsampling, input: input), rows: shape.height, output: output, unit: nil)
    }

    static func patches(_ shape: ck_patches, rows: Int, input: Int, output: Int) -> InferenceStep {
        InferenceStep(.patches(shape, input: input), rows: rows, output: output, unit: nil)
    }

    private static func first(_ model: PackedModel, _ index: Int, path: Classifier.Path, output: Int) -> InferenceStep {
        let (unit, shape, from, kernel) = (model.units[index], model.shapes[index], model.input, model.units[index].kernel)
        // [O, I, K, K] to [O/16, K, K, I, 16].
        let (plain, packed) = (model.floatWeights(index), Table<Float>(count: model.weightCount(index), zero: 0))
        for o in 0..<unit.outputChannels {
            for i in 0..<from.channels {
                for tap in 0..<kernel * kernel {
                    packed.pointer[((o / 16 * kernel * kernel + tap) * from.channels + i) * 16 + o % 16] =
                        plain[(o * from.channels + i) * kernel * kernel + tap]
                }
            }
        }
        let (pixels, a, b) = (Table(model.pixelTable, zero: 0), Table(model.a(index), zero: 0), Table(model.b(index), zero: 0))
        let first = ck_first_unit(
            height: from.height, width: from.width, input_channels: from.channels, output_channels: unit.outputChannels, kernel: kernel,
            stride: unit.stride, padding: unit.padding, weights: packed.pointer, table: pixels.pointer, a: a.pointer, b: b.pointer,
            qmax: Float(unit.qmax))
        return InferenceStep(
            .first(first, path.kernels[0]), rows: shape.height, output: output,
            scratchBytes: ck_first_unit_scratch_bytes(first), unit: index, owners: [packed, pixels, a, b])
    }

    private static func firstOfBytes(_ model: PackedModel, _ index: Int, path: Classifier.Path, output: Int) -> InferenceStep {
        let (unit, shape, from, classes) = (model.units[index], model.shapes[index], model.input, model.borderClasses(index))
        let (a, b) = (Table(model.a(index), zero: 0), Table(model.b(index), zero: 0))
        let (rows, columns) = (Table(classes.rows, zero: 0), Table(classes.columns, zero: 0))
        var bytes = ck_byte_unit(
            height: from.height, width: from.width, input_channels: from.channels, output_channels: unit.outputChannels,
            kernel: unit.kernel, stride: unit.stride, padding: unit.padding, largest_integer_weight: Int32(unit.maximumIntegerWeight),
            packed: nil, a: a.pointer, b: b.pointer, row_classes: rows.pointer, column_classes: columns.pointer,
            column_class_count: classes.columnTaps.count, qmax: Float(unit.qmax))
        let kernel = path.kernel(for: bytes)
        let packed = Table<UInt8>(count: ck_byte_unit_packed_bytes(bytes, kernel), zero: 0)
        model.integerWeights(index).withUnsafeBufferPointer { ck_byte_unit_pack($0.baseAddress, bytes, kernel, packed.pointer) }
        bytes.packed = UnsafeRawPointer(packed.pointer)
        return InferenceStep(
            .bytes(bytes, kernel), rows: shape.height, output: output, scratchBytes: ck_byte_unit_scratch_bytes(bytes, kernel),
            unit: index, owners: [packed, a, b, rows, columns])
    }

    private static func convolution(
        _ model: PackedModel, _ index: Int, path: Classifier.Path, input: Int, shortcut: Int?, output: Int
    ) -> InferenceStep {
        let (unit, shape, (from, side, stride, integerWeights)) = (model.units[index], model.shapes[index], model.lowered(index))
        let (a, b) = (Table(model.a(index), zero: 0), Table(model.b(index), zero: 0))
        var convolution = ck_unit(
            height: from.height, width: from.width, input_channels: from.channels, output_channels: unit.outputChannels, kernel: side,
            stride: stride, input_qmax: Int32(model.units[unit.input].qmax),
            largest_integer_weight: Int32(integerWeights.lazy.map(\.magnitude).max() ?? 0),
            binary: unit.weightBits == 1 ? 1 : 0, packed: nil, a: a.pointer, b: b.pointer, step: unit.step, qmax: Float(unit.qmax),
            to_levels: unit.activationBits > 0 ? 1 : 0)
        let kernel = path.kernel(for: convolution)
        let packed = Table<UInt8>(count: ck_unit_packed_bytes(convolution, kernel), zero: 0)
        integerWeights.withUnsafeBufferPointer { ck_unit_pack($0.baseAddress, convolution, kernel, packed.pointer) }
        convolution.packed = UnsafeRawPointer(packed.pointer)
        return InferenceStep(
            .convolution(convolution, kernel, input: input, shortcut: shortcut, isWide: unit.shortcut == .values), rows: shape.height,
            output: output, scratchBytes: ck_unit_scratch_bytes(convolution, kernel), unit: index, owners: [packed, a, b])
    }

    private static func maximum(_ model: PackedModel, _ index: Int, input: Int, output: Int) -> InferenceStep {
        let (unit, from) = (model.units[index], model.inputShape(index))
        let window = ck_level_window(
            height: from.height, width: from.width, channels: from.channels, window: unit.kernel, stride: unit.stride, padding: unit.padding
        )
        return InferenceStep(.maximum(window, input: input), rows: model.shapes[index].height, output: output, unit: index)
    }

    private static func classifier(_ model: PackedModel, _ index: Int, input: Int) -> InferenceStep {
        let (unit, from) = (model.units[index], model.inputShape(index))
        let (inputs, outputs, pixels) = (from.channels, unit.outputChannels, from.height * from.width)
        let bias = Table(model.b(index), zero: 0)
        var owners: [AnyObject] = [bias]
        /// [O, I] to [I, O].
        func transposed<T: BitwiseCopyable>(_ values: [T], zero: T) -> UnsafePointer<T> {
            let table = Table<T>(count: values.count, zero: zero)
            for o in 0..<outputs { for i in 0..<inputs { table.pointer[i * outputs + o] = values[o * inputs + i] } }
            owners.append(table)
            return UnsafePointer(table.pointer)
        }
        let isFloat = unit.weightBits == 32
        let integerWeights = isFloat ? nil : transposed(model.integerWeights(index), zero: 0)
        let weights = isFloat ? transposed(model.floatWeights(index), zero: 0) : nil
        let scale = isFloat ? nil : Table(model.classifierScales(index), zero: 0)
        if let scale { owners.append(scale) }
        let scores = Scores(
            pixels: pixels, inputs: inputs, outputs: outputs, integerWeights: integerWeights, weights: weights,
            scale: scale.map { UnsafePointer($0.pointer) },
            bias: bias.pointer, unit: model.featureUnit(index))
        return InferenceStep(
            .classifier(scores, input: input), rows: 1, output: 0, scratchBytes: scores.sumBytes + 4 * outputs, unit: index, owners: owners)
    }
}

extension PackedModel {
    /// The normalised value of every byte, `[C, 256]`.
    var pixelTable: [Float] {
        (0..<input.channels).flatMap { channel in (0..<256).map { (Float($0) / 255 - mean[channel]) / std[channel] } }
    }

    /// What one of a classifier's feature sums is worth: α of its input's levels over the number of pixels.
    func featureUnit(_ classifier: Int) -> Float {
        let from = inputShape(classifier)
        return units[units[classifier].input].stepSize / Float(from.height * from.width)
    }

    /// What one of a quantized classifier's sums is worth, of each output.
    func classifierScales(_ classifier: Int) -> [Float] {
        let scales = scales(classifier)
        return (0..<units[classifier].outputChannels).map { scales[scales.count == 1 ? 0 : $0] * featureUnit(classifier) }
    }
}
