// SPDX-License-Identifier: GPL-3.0-or-later

/// The model's arithmetic as it is defined (Documentation/packed-format.md), in plain loops: what the kernels are tested
/// against. `addingProduct` is the multiply-add with one rounding.
public struct ReferenceClassifier {
    private let model: PackedModel

    public init(_ model: PackedModel) { self.model = model }

    /// What every unit makes of one image, bytes `[H, W, C]`, in the model's order; the last are the class scores.
    public func activations(of image: [UInt8]) -> [UnitActivation] {
        var results: [UnitActivation.Values] = []
        for (index, unit) in model.units.enumerated() {
            switch unit.kind {
            case .first: results.append(first(index, image))
            case .firstOfBytes: results.append(firstOfBytes(index, image))
            case .convolution: results.append(convolution(index, results))
            case .maximum: results.append(maximum(index, results[unit.input].levels))
            case .classifier: results.append(scores(index, results[unit.input].levels))
            }
        }
        return zip(model.units.indices, results).map { UnitActivation(unit: model.units[$0].name, shape: model.shapes[$0], values: $1) }
    }

    /// `clamp(ceil(t), 0, qmax)`.
    private func level(_ t: Float, _ unit: PackedModel.Unit) -> UInt8 {
        let level = t.rounded(.up)
        return level > 0 ? UInt8(min(level, Float(unit.qmax))) : 0
    }

    /// sum = 0; for r, for s, for i: sum = fma(x, w, sum), in f32.
    private func first(_ index: Int, _ image: [UInt8]) -> UnitActivation.Values {
        let (unit, weights, pixels) = (model.units[index], model.floatWeights(index), model.pixelTable)
        let (a, b, channels) = (model.a(index), model.b(index), model.input.channels)
        var result: [UInt8] = []
        forEachOutput(index) { _, o, taps in
            var sum: Float = 0
            for tap in taps {
                for i in 0..<channels {
                    let x = pixels[256 * i + Int(image[tap.pixel * channels + i])]
                    sum.addProduct(x, weights[(o * channels + i) * unit.kernel * unit.kernel + tap.weight])
                }
            }
            result.append(level(b[o].addingProduct(a[o], sum), unit))
        }
        return .levels(result)
    }

    /// t = b of the place's class; for c: t = fma(a of the colour, its exact sum, t).
    private func firstOfBytes(_ index: Int, _ image: [UInt8]) -> UnitActivation.Values {
        let (unit, weights, shape) = (model.units[index], model.integerWeights(index), model.shapes[index])
        let (a, b, channels, classes) = (model.a(index), model.b(index), model.input.channels, model.borderClasses(index))
        var result: [UInt8] = []
        forEachOutput(index) { at, o, taps in
            let (row, column) = (at / shape.channels / shape.width, at / shape.channels % shape.width)
            let place = Int(classes.rows[row]) * classes.columnTaps.count + Int(classes.columns[column])
            var t = b[place * shape.channels + o]
            for c in 0..<channels {
                let sum = taps.reduce(Int32(0)) { sum, tap in
                    let weight = weights[(o * channels + c) * unit.kernel * unit.kernel + tap.weight]
                    return sum + Int32(image[tap.pixel * channels + c]) * Int32(weight)
                }
                t.addProduct(a[c * shape.channels + o], Float(sum))
            }
            result.append(level(t, unit))
        }
        return .levels(result)
    }

    private func convolution(_ index: Int, _ results: [UnitActivation.Values]) -> UnitActivation.Values {
        let (unit, integerWeights, from) = (model.units[index], model.integerWeights(index), model.inputShape(index))
        let (a, b, x) = (model.a(index), model.b(index), results[unit.input].levels)
        var values: [Float] = []
        forEachOutput(index) { at, o, taps in
            var sum: Int32 = 0
            for tap in taps {
                for i in 0..<from.channels {
                    sum +=
                        Int32(x[tap.pixel * from.channels + i])
                        * Int32(integerWeights[(o * from.channels + i) * unit.kernel * unit.kernel + tap.weight])
                }
            }
            var t = b[o].addingProduct(a[o], Float(sum))
            if let other = shortcut(index, results, at: at, channel: o) { t.addProduct(unit.step, other) }
            values.append(t)
        }
        return unit.activationBits == 0 ? .floats(values) : .levels(values.map { level($0, unit) })
    }

    /// The shortcut's number for output `at`, of that channel.
    private func shortcut(_ index: Int, _ results: [UnitActivation.Values], at: Int, channel: Int) -> Float? {
        let unit = model.units[index]
        guard unit.shortcut != .none else { return nil }
        switch (unit.shortcut, results[unit.shortcutInput]) {
        case (.subsampled, .levels(let levels)):
            let (from, to) = (model.shapes[unit.shortcutInput], model.shapes[index])
            let (pixel, source) = (at / to.channels, channel - (to.channels - from.channels) / 2)
            guard (0..<from.channels).contains(source) else { return 0 }
            let place = pixel / to.width * unit.shortcutStride * from.width + pixel % to.width * unit.shortcutStride
            return Float(levels[place * from.channels + source])
        case (_, .levels(let levels)): return Float(levels[at])
        case (_, .floats(let values)): return values[at]
        }
    }

    private func maximum(_ index: Int, _ x: [UInt8]) -> UnitActivation.Values {
        var result: [UInt8] = []
        let channels = model.inputShape(index).channels
        forEachOutput(index) { _, o, taps in result.append(taps.map { x[$0.pixel * channels + o] }.max() ?? 0) }
        return .levels(result)
    }

    private func scores(_ index: Int, _ x: [UInt8]) -> UnitActivation.Values {
        let (unit, from, bias) = (model.units[index], model.inputShape(index), model.b(index))
        var sums = [Int32](repeating: 0, count: from.channels)
        for (i, level) in x.enumerated() { sums[i % from.channels] += Int32(level) }
        if unit.weightBits == 32 {
            let (weights, worth) = (model.floatWeights(index), model.featureUnit(index))
            return .floats(
                bias.indices.map { o in
                    sums.indices.reduce(bias[o]) { $0.addingProduct(worth * Float(sums[$1]), weights[o * from.channels + $1]) }
                })
        }
        let (integerWeights, scales) = (model.integerWeights(index), model.classifierScales(index))
        return .floats(
            bias.indices.map { o in
                let sum = sums.indices.reduce(Int32(0)) { $0 + sums[$1] * Int32(integerWeights[o * from.channels + $1]) }
                return bias[o].addingProduct(scales[o], Float(sum))
            })
    }

    /// Calls `body` for every output in the order of the result, with its channel and the taps that lie on the input: the
    /// pixel, and r·K + s.
    private func forEachOutput(_ index: Int, _ body: (_ at: Int, _ channel: Int, _ taps: [(pixel: Int, weight: Int)]) -> Void) {
        let (unit, from, to) = (model.units[index], model.inputShape(index), model.shapes[index])
        for h in 0..<to.height {
            for w in 0..<to.width {
                var taps: [(pixel: Int, weight: Int)] = []
                for r in 0..<unit.kernel {
                    for s in 0..<unit.kernel {
                        let (row, column) = (h * unit.stride + r - unit.padding, w * unit.stride + s - unit.padding)
                        guard 0..<from.height ~= row, 0..<from.width ~= column else { continue }
                        taps.append((row * from.width + column, r * unit.kernel + s))
                    }
                }
                for o in 0..<to.channels { body((h * to.width + w) * to.channels + o, o, taps) }
            }
        }
    }
}

extension UnitActivation.Values {
    /// A unit checked to be one of levels.
    fileprivate var levels: [UInt8] {
        guard case .levels(let levels) = self else { preconditionFailure("values where levels were promised") }
        return levels
    }
}
