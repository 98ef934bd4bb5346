// SPDX-License-Identifier: GPL-3.0-or-later

/// What a model may cost, so that a small file cannot ask for hours or for all memory: far above networks that are in use
/// (ResNet-152 on images of 448² has 46·10⁹ multiply-adds and 60·10⁶ weights).
package struct ModelCost {
    /// Multiply-adds, comparisons of maxima, and numbers written, of one image.
    static let mostOperations = 1 << 37
    /// Numbers in all maps together, whether or not they share memory.
    static let mostResults = 1 << 29
    /// Unpacked weights: one byte each, float ones four.
    static let mostWeightBytes = 1 << 29
    /// Memory of one image's maps, and of a unit's copy of its input.
    static let mostMapBytes = 1 << 27

    private var operations = 0, results = 0, weightBytes = 0

    package init() {}

    /// - Parameter weights: how many the unit has.
    /// - Returns: what is too much with this unit, or `nil`.
    package mutating func adding(
        _ unit: PackedModel.Unit, weights: Int, from input: PackedModel.Shape, to shape: PackedModel.Shape
    ) -> String? {
        let window = unit.kernel * unit.kernel
        // In floating point, as a forged unit's products need not fit 64 bits.
        let own: Double =
            switch unit.kind {
            case .first, .firstOfBytes, .convolution: Double(weights) * Double(shape.height * shape.width)
            case .maximum: Double(shape.count) * Double(window)
            case .classifier: Double(weights) + Double(input.count)
            }
        let bytes = weights > Self.mostWeightBytes ? weights : weights * (unit.weightBits == 32 ? 4 : 1)
        guard Double(operations) + own + Double(shape.count) <= Double(Self.mostOperations) else {
            return "more than \(Self.mostOperations) operations up to here"
        }
        operations += Int(own) + shape.count
        results += shape.count
        guard results <= Self.mostResults else { return "\(results) results up to here, more than \(Self.mostResults)" }
        weightBytes += bytes
        guard weightBytes <= Self.mostWeightBytes else {
            return "\(weightBytes) bytes of weights up to here, more than \(Self.mostWeightBytes)"
        }
        // The tables path's copy of the rows under a kernel: four bytes a level.
        let patches = Patches(unit, from: input).map { 4 * (shape.width + 2) * $0.channels }
        let copy = patches ?? (unit.kind == .convolution ? 4 * unit.kernel * (input.width + 2) * input.channels : 0)
        guard copy <= Self.mostMapBytes else { return "rows of \(input.width)×\(input.channels) levels, too large to be copied" }
        return nil
    }
}

extension PackedModel {
    /// No sum, t or score of a model may be larger, as bounded from its largest numbers: then none is infinite, nor, as only
    /// infinite ones cancel to it, NaN. Rounding cannot bridge the distance to the largest f32, 2^128.
    static let mostMagnitude = 0x1p100

    /// - Throws: `PackedModelError` where a number that the model computes might not be finite.
    func checkMagnitudes(_ fail: (String) -> PackedModelError) throws {
        var bounds: [Double] = []
        for (index, unit) in units.enumerated() {
            func need(_ bound: Double, _ what: String) throws {
                guard bound <= Self.mostMagnitude else { throw fail("unit \(index): \(what) may reach \(bound), at most 2^100 is allowed") }
            }
            guard unit.hasWeights else {
                bounds.append(0)  // a map of levels, which is no shortcut of values
                continue
            }
            let weight = largestWeight(index), from = inputShape(index)
            try need(weight, "a weight")
            let terms: Double, factor: Double  // of the sum; what it is multiplied by
            switch unit.kind {
            case .first:
                let pixel = magnitude(pixelTable)
                try need(pixel, "a normalised pixel")
                (terms, factor) = (Double(inputsPerOutput(index)) * pixel * weight, magnitude(a(index)))
            case .firstOfBytes:
                try need(magnitude(pixelTable), "a normalised pixel")
                // One a colour; together not more than all terms times the largest factor.
                (terms, factor) = (Double(inputsPerOutput(index) * 255 * unit.maximumIntegerWeight), magnitude(a(index)))
            case .convolution:
                (terms, factor) = (Double(inputsPerOutput(index) * units[unit.input].qmax * unit.maximumIntegerWeight), magnitude(a(index)))
            case .maximum, .classifier:
                let features = Double(from.count) * Double(units[unit.input].qmax)
                let isFloat = unit.weightBits == 32
                let worth = isFloat ? Double(featureUnit(index)) : magnitude(classifierScales(index))
                try need(worth * features, "a feature")
                (terms, factor) = (features * (isFloat ? 1 : Double(unit.maximumIntegerWeight)), isFloat ? worth * max(weight, 1) : worth)
            }
            try need(terms, "a sum")
            var bound = factor * terms + magnitude(b(index))
            if unit.shortcut != .none {
                let other = unit.shortcut == .values ? bounds[unit.shortcutInput] : Double(units[unit.shortcutInput].qmax)
                bound += Double(unit.step.magnitude) * other
            }
            try need(bound, unit.kind == .classifier ? "a score" : "t")
            if unit.kind == .firstOfBytes {  // what programs in floats make of it (ONNX)
                let (a, b) = floatNumbers(index)
                try need(max(magnitude(a), magnitude(b)), "a number for normalised pixels")
            }
            bounds.append(bound)
        }
    }

    private func magnitude(_ values: [Float]) -> Double { values.reduce(0) { max($0, Double($1.magnitude)) } }

    /// δ·q or the float weights; a bound where a file says so without looking at every code.
    private func largestWeight(_ unit: Int) -> Double {
        units[unit].weightBits == 32 ? magnitude(floatWeights(unit)) : magnitude(scales(unit)) * Double(units[unit].maximumIntegerWeight)
    }
}
