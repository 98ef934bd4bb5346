// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Foundation
import Statistics

/// Small models that have every kind of unit and shortcut, with random numbers whose levels spread over their range.
package struct RandomModel: CustomStringConvertible, Sendable {
    package var height: Int
    package var width: Int
    package var channels: Int
    package var weightBits: Int
    package var activationBits: Int
    /// The first unit and the classifier.
    package var isFloatOutside: Bool
    package var isScaledPerChannel: Bool
    /// The first unit sums bytes (version 2 of the format).
    package var isOfBytes: Bool
    /// Kernel, stride and padding of the first unit.
    package var first: (kernel: Int, stride: Int, padding: Int)
    package var seed: UInt64

    package init(
        height: Int = 9, width: Int = 13, channels: Int = 3, weightBits: Int = 1, activationBits: Int = 4, isFloatOutside: Bool = false,
        isScaledPerChannel: Bool = false, isOfBytes: Bool = false, first: (Int, Int, Int) = (3, 1, 1), seed: UInt64 = 1
    ) {
        (self.height, self.width, self.channels, self.weightBits, self.activationBits) = (
            height, width, channels, weightBits, activationBits
        )
        (self.isFloatOutside, self.isScaledPerChannel, self.isOfBytes) = (isFloatOutside, isScaledPerChannel, isOfBytes)
        (self.first, self.seed) = (first, seed)
    }

    package var description: String {
        "\(weightBits)W\(activationBits)A \(height)×\(width)×\(channels), first \(first), "
            + "float outside \(isFloatOutside), of bytes \(isOfBytes)"
    }

    package func contents() -> PackedModelContents {
        var random = Philox(seed: seed, stream: 7)
        var entries: [PackedModelContents.Entry] = []
        func add(_ unit: PackedModel.Unit, inputs: Int) {
            let (count, outputs) = (inputs * unit.kernel * unit.kernel * unit.outputChannels, unit.outputChannels)
            func floats(_ count: Int, _ body: () -> Double) -> [Float] { (0..<count).map { _ in Float(body()) } }
            let isFloat = unit.weightBits == 32
            let integerWeights = isFloat || unit.kind == .maximum ? [] : (0..<count).map { _ in code(&random, unit.weightBits) }
            let terms = Double(inputs * unit.kernel * unit.kernel)
            let spread: Double = unit.readsImage ? 1 : 1.5 / (terms.squareRoot() * Double(max(unit.maximumIntegerWeight, 1)))
            let top = Double(unit.qmax)
            let weights = isFloat ? floats(count) { 0.3 * random.normal() } : []
            let scales = floats(unit.scaleCount) { 0.1 + random.uniform() }
            let hasA = unit.readsImage || unit.kind == .convolution
            let a = hasA ? floats(outputs) { spread * random.normal() } : []
            let b = unit.kind == .maximum ? [] : floats(outputs) { top / 2 + max(top, 1) / 4 * random.normal() }
            let numbers = unit.kind == .firstOfBytes ? ofBytes(unit, integerWeights, scales, a, b) : (a: a, b: b)
            entries.append(
                PackedModelContents.Entry(
                    unit, integerWeights: integerWeights, weights: weights, scales: scales, a: numbers.a, b: numbers.b))
        }
        func scales(_ outputs: Int) -> Int { isScaledPerChannel ? outputs : 1 }
        func convolution(
            _ outputs: Int, kernel: Int = 3, stride: Int = 1, from input: Int, inputs: Int, bits: Int? = nil,
            shortcut: (PackedModel.Unit.Shortcut, Int, stride: Int)? = nil
        ) {
            add(
                .init(
                    name: "conv\(entries.count)", kind: .convolution, kernel: kernel, stride: stride, padding: kernel / 2,
                    weightBits: weightBits,
                    activationBits: bits ?? activationBits, shortcut: shortcut?.0 ?? .none, shortcutStride: shortcut?.stride ?? 0,
                    input: input,
                    shortcutInput: shortcut?.1 ?? -1, outputChannels: outputs, scaleCount: scales(outputs),
                    step: shortcut == nil ? 0 : Float(0.5 + random.uniform()),
                    stepSize: bits == 0 ? 1 : 0.37),
                inputs: inputs)
        }
        add(
            .init(
                name: "first", kind: isOfBytes ? .firstOfBytes : .first, kernel: first.kernel, stride: first.stride, padding: first.padding,
                weightBits: isFloatOutside ? 32 : weightBits,
                activationBits: activationBits, input: -1, outputChannels: 16, scaleCount: isFloatOutside ? 0 : scales(16), stepSize: 0.21),
            inputs: channels)
        convolution(16, from: 0, inputs: 16)
        convolution(16, from: 1, inputs: 16, shortcut: (.levels, 0, stride: 0))
        convolution(32, stride: 2, from: 2, inputs: 16)
        convolution(32, from: 3, inputs: 32, shortcut: (.subsampled, 2, stride: 2))
        convolution(48, stride: 2, from: 4, inputs: 32)
        convolution(48, kernel: 1, stride: 2, from: 4, inputs: 32, bits: 0)
        convolution(48, from: 5, inputs: 48, shortcut: (.values, 6, stride: 0))
        add(
            .init(
                name: "max", kind: .maximum, kernel: 3, stride: 2, padding: 1, activationBits: activationBits, input: 7,
                outputChannels: 48),
            inputs: 48)
        add(
            .init(
                name: "fc", kind: .classifier, weightBits: isFloatOutside ? 32 : weightBits, input: 8, outputChannels: 11,
                scaleCount: isFloatOutside ? 0 : scales(11)),
            inputs: 48)
        return PackedModelContents(
            input: .init(height: height, width: width, channels: channels), mean: mean, std: std, fitting: .none,
            classes: (0..<11).map { "class \($0), é" },
            provenance: "random",
            entries: entries)
    }

    private var mean: [Float] { (0..<channels).map { 0.4 + 0.05 * Float($0) } }
    private var std: [Float] { (0..<channels).map { 0.2 + 0.03 * Float($0) } }

    /// a and b of a sum over normalised pixels with weights δ·q as those of sums of bytes: a colour's byte x is worth (x/255 − μ)/σ.
    private func ofBytes(
        _ unit: PackedModel.Unit, _ integerWeights: [Int8], _ scales: [Float], _ a: [Float], _ b: [Float]
    ) -> (a: [Float], b: [Float]) {
        let (outputs, side) = (unit.outputChannels, unit.kernel)
        let from = PackedModel.Shape(height: height, width: width, channels: channels)
        func result(_ side: Int) -> Int { (side + 2 * unit.padding - unit.kernel) / unit.stride + 1 }
        let classes = BorderClasses(unit, from: from, to: .init(height: result(height), width: result(width), channels: outputs))
        func factor(_ o: Int, _ c: Int) -> Double { Double(a[o]) * Double(scales[scales.count == 1 ? 0 : o]) / Double(std[c]) }
        let factors = (0..<channels).flatMap { c in (0..<outputs).map { Float(factor($0, c) / 255) } }
        let terms = classes.rowTaps.flatMap { rows in
            classes.columnTaps.flatMap { columns in
                (0..<outputs).map { o in
                    Float(
                        (0..<channels).reduce(Double(b[o])) { term, c in
                            let plane = (o * channels + c) * side * side
                            let inside = rows.flatMap { r in columns.map { Int(integerWeights[plane + r * side + $0]) } }
                            return term - factor(o, c) * Double(mean[c]) * Double(inside.reduce(0, +))
                        })
                }
            }
        }
        return (factors, terms)
    }

    private func code(_ random: inout Philox, _ bits: Int) -> Int8 {
        let top = bits == 1 ? 1 : 1 << (bits - 1) - 1
        return bits == 1 ? (random.uniform() < 0.5 ? 1 : -1) : Int8(Int(random.uniform() * Double(2 * top + 1)) - top)
    }

    /// Bytes `[count, H, W, C]`.
    package func images(_ count: Int) -> [UInt8] {
        var random = Philox(seed: seed, stream: 8)
        return (0..<count * height * width * channels).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }
}

extension PackedModelContents {
    /// With other numbers, by their position, wherever there are such numbers.
    package func changed(
        step: Float? = nil, weights: ((Int) -> Float)? = nil, a: ((Int) -> Float)? = nil, b: ((Int) -> Float)? = nil,
        scales: ((Int) -> Float)? = nil
    ) -> PackedModelContents {
        var contents = self
        func change(_ values: [Float], _ new: ((Int) -> Float)?) -> [Float] { new.map { values.indices.map($0) } ?? values }
        contents.entries = entries.map { entry in
            let u = entry.unit
            let unit = PackedModel.Unit(
                name: u.name, kind: u.kind, kernel: u.kernel, stride: u.stride, padding: u.padding, weightBits: u.weightBits,
                activationBits: u.activationBits, shortcut: u.shortcut, shortcutStride: u.shortcutStride, input: u.input,
                shortcutInput: u.shortcutInput, outputChannels: u.outputChannels, scaleCount: u.scaleCount,
                step: u.shortcut == .none ? u.step : step ?? u.step, stepSize: u.stepSize)
            return Entry(
                unit, integerWeights: entry.integerWeights, weights: change(entry.weights, weights), scales: change(entry.scales, scales),
                a: change(entry.a, a),
                b: change(entry.b, b))
        }
        return contents
    }
}
