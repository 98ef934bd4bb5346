// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute

/// What the last evaluation of a network in mixed precision computed, unit by unit, with the very numbers that it used: for
/// export, and to compare other programs' integers with.
package struct EvaluationPlan {
    package enum Kind { case first, convolution, maximum }

    package enum Shortcut {
        case none
        /// The map of an earlier unit, levels or values.
        case map(unit: Int)
        case subsampled(unit: Int, stride: Int)
    }

    package struct Unit {
        package let name: String
        package let kind: Kind
        package let kernel, stride, padding: Int
        package let output: FeatureShape
        /// `nil` for a maximum.
        package let weight: Parameter?
        /// Of t = a·sum + b + step·shortcut, `[O]`; a and b are of the last evaluation.
        package let a, b: [Float]
        package let step: Float
        /// The highest level, or `nil` where t itself is the result.
        package let maximumLevel: Int?
        /// The unit that is read; -1 is the image.
        package let input: Int
        package let shortcut: Shortcut
        /// α; 1 for values.
        package let resolution: Float
        let map: FeatureMap

        /// The unit's result of the last forward pass, `[N, H, W, C]`: levels.
        package var levels: UnsafePointer<UInt8> { map.levels }
        /// The same of a unit without activation: f32.
        package var values: UnsafePointer<Float> {
            precondition(map.type == CK_F32)
            return UnsafePointer(map.pointer.assumingMemoryBound(to: Float.self))
        }
    }

    package private(set) var units: [Unit] = []
    private var unitOfMap: [UnsafeMutableRawPointer: Int] = [:]
    private var subsampled: [UnsafeMutableRawPointer: Shortcut] = [:]

    /// The unit that made a map.
    private func unit(_ map: FeatureMap) -> Int { unitOfMap[map.pointer] ?? -1 }

    mutating func subsample(_ input: FeatureMap, to output: FeatureMap, stride: Int) {
        subsampled[output.pointer] = .subsampled(unit: unit(input), stride: stride)
    }

    mutating func add(_ unit: Unit) {
        unitOfMap[unit.map.pointer] = units.count
        units.append(unit)
    }

    mutating func add(_ name: String, _ kind: Kind, _ shape: ConvolutionShape, weight: Parameter, _ norm: NormActivationUnit, input: FeatureMap?, shortcut: FeatureMap?) {
        func numbers(_ buffer: Buffer<Float>) -> [Float] { Array(UnsafeBufferPointer(start: buffer.pointer, count: shape.outputChannels)) }
        add(
            Unit(
                name: name, kind: kind, kernel: shape.kernel, stride: shape.stride, padding: shape.padding, output: shape.output,
                weight: weight, a: numbers(norm.a), b: numbers(norm.b), step: norm.step(shortcut), maximumLevel: norm.function?.maximumLevel,
                input: input.map(unit) ?? -1, shortcut: shortcut.map { subsampled[$0.pointer] ?? .map(unit: unit($0)) } ?? .none,
                resolution: norm.output.unit, map: norm.output))
    }

    mutating func addMaximum(_ name: String, _ pool: ck_pool, input: FeatureMap, output: FeatureMap) {
        add(
            Unit(
                name: name, kind: .maximum, kernel: pool.window, stride: pool.stride, padding: pool.padding, output: output.shape,
                weight: nil, a: [], b: [], step: 0, maximumLevel: units[unit(input)].maximumLevel, input: unit(input), shortcut: .none,
                resolution: output.unit, map: output))
    }
}

extension Network {
    /// The units before the classifier; `nil` where maps are not levels: in f32, or with float weights or activations. To be
    /// asked for after a forward pass in evaluation mode.
    package var evaluationPlan: EvaluationPlan? {
        guard let body = layers.first as? MixedBody, body.arithmetic.isInteger else { return nil }
        var plan = EvaluationPlan()
        plan.add(body.names.convolution, .first, body.first.shape, weight: body.first.weight, body.stem, input: nil, shortcut: nil)
        for layer in body.layers { layer.describe(in: &plan) }
        return plan
    }

    /// The last layer.
    package var classifier: LinearLayer? { layers.last as? LinearLayer }
}

extension ConvolutionUnit {
    func describe(in plan: inout EvaluationPlan) {
        plan.add(names.convolution, .convolution, shape, weight: weight, norm, input: input, shortcut: shortcut)
    }
}

extension MixedResidualBlock {
    func describe(in plan: inout EvaluationPlan) {
        first.describe(in: &plan)
        switch shortcut {
        case .identity: break
        case .subsampling(let shape, let map):
            if let input = first.input { plan.subsample(input, to: map, stride: shape.stride) }
        case .projection(let unit): unit.describe(in: &plan)
        }
        second.describe(in: &plan)
    }
}

extension MixedMaxPool {
    func describe(in plan: inout EvaluationPlan) {
        if let input { plan.addMaximum("maxpool\(plan.units.count)", shape, input: input, output: output) }
    }
}
