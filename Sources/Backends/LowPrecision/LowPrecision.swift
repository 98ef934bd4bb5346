// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// The fast backend: the graph's fused units between maps of levels or bf16, then the classifier in f32.
///
/// Where weights and activations are quantized, forward convolutions are exact integer arithmetic; else maps, and weights as
/// the passes see them, are bf16. Gradients are bf16, all sums f32, batch-norm sums f64; or gradients of exact integers are integers too
/// (`Precision.s16`).
/// `Reference` is its readable reference.
package final class LowPrecision: Executable {
    package var units: [FusedUnit] { plan.units }
    private let plan: LowPrecisionPlan
    private var first: [Int: FirstUnit] = [:]
    private var others: [Int: any LowPrecisionUnit] = [:]
    private let classifier: ClassifierUnit
    /// Of each unit; the classifier has none.
    private let maps: [FeatureMap]
    /// What becomes of the map that a unit's shortcut reads.
    private var subsampled: [Int: (shape: ck_shortcut, map: FeatureMap)] = [:]
    /// Room for gradients of maps that no unit made room for.
    private var rooms: [Int: Buffer<UInt16>] = [:]
    /// The unit that the classifier reads.
    private var last: Int { units[maps.count].input }
    private let batch: Int
    private let threads: Int32

    /// - Parameter images: how they were made of bytes; `nil` for others.
    init(_ plan: LowPrecisionPlan, _ tensors: Parameters, images: ByteImages?, in context: ExecutionContext) {
        self.plan = plan
        (batch, threads) = (context.batch, context.threads)
        let largest = plan.units.map(\.output.padded.count).max() ?? 1
        let accGradient = Buffer<UInt16>(largest * context.batch, zero: 0)
        // The first scratch that was large enough serves all convolutions that it is large enough for.
        var kernels: ConvolutionScratch?
        func scratch(_ bytes: Int) -> ConvolutionScratch {
            if let kernels, kernels.bytes >= bytes { return kernels }
            let scratch = ConvolutionScratch(bytes: bytes)
            kernels = scratch
            return scratch
        }
        var (maps, end): ([FeatureMap], ClassifierUnit?) = ([], nil)
        for (index, unit) in plan.units.enumerated() {
            if unit.kind == .classifier {
                let channels = plan.units[unit.input].output.channels
                end = ClassifierUnit(unit, maps[unit.input], channels: channels, tensors, isOrdered: plan.gradients == .s16, in: context)
            } else if unit.kind == .maximum {
                let made = MaximumUnit(unit, maps[unit.input], in: context)
                (others[index], maps) = (made, maps + [made.output])
            } else if unit.input < 0 {
                let made = FirstUnit(index, of: plan, tensors, images: images, accGradient: accGradient, in: context)
                (first[index], maps) = (made, maps + [made.output])
            } else {
                let made = ConvNormActivation(index, of: plan, tensors, accGradient: accGradient, scratch: scratch, in: context)
                (others[index], maps) = (made, maps + [made.output])
            }
            if case .subsampled(let source, let stride) = unit.shortcut {
                let from = maps[source]
                subsampled[index] = (
                    ck_shortcut(.subsampled(stride: stride), from: from.shape, to: unit.output),
                    FeatureMap(unit.output, from.type, stepSize: from.stepSize, batch: context.batch)
                )
            }
        }
        guard let end else { preconditionFailure("a fused graph ends with a classifier") }
        (self.maps, classifier) = (maps, end)
    }

    func forward(_ images: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        for index in maps.indices {
            let shortcut = shortcut(of: index, batch: batch)
            if let first = first[index] {
                _ = try first.forward(images, shortcut: shortcut, batch: batch, mode: mode)
            } else if let other = others[index] {
                _ = try other.forward(maps[units[index].input], shortcut: shortcut, batch: batch, mode: mode)
            }
        }
        return try classifier.forward(maps[last], batch: batch, mode: mode)
    }

    private func shortcut(of index: Int, batch: Int) -> FeatureMap? {
        switch units[index].shortcut {
        case .none: return nil
        case .map(let unit): return maps[unit]
        case .subsampled(let unit, _):
            guard let (shape, map) = subsampled[index] else { preconditionFailure("\(units[index].name) has a subsampled shortcut") }
            ck_map_shortcut_forward(maps[unit].pointer, map.pointer, map.type, shape.with(images: batch), threads)
            return map
        }
    }

    /// The gradients that the units which read a map pass on to it.
    private struct Contributions {
        /// Of units that read the map; nobody reads their memory any more.
        var direct: [Buffer<UInt16>] = []
        var shortcuts: [(gradient: Buffer<UInt16>, through: ck_shortcut?)] = []
    }

    func backward(_ scoreGradient: Tensor, batch: Int) throws {
        var contributions = [Contributions](repeating: Contributions(), count: maps.count)
        contributions[last].direct.append(try classifier.backward(scoreGradient, batch: batch))
        for (index, unit) in units.enumerated().reversed() where unit.kind != .classifier {
            let gradient = sum(contributions[index], of: index, batch: batch)
            if let first = first[index] {
                try first.backward(gradient, batch: batch)
            } else if let other = others[index] {
                contributions[unit.input].direct.append(try other.backward(gradient, batch: batch))
            }
            // `gradient.values` now holds the gradient in the sum, which the shortcut passes on.
            switch unit.shortcut {
            case .none: break
            case .map(let source): contributions[source].shortcuts.append((gradient.values, nil))
            case .subsampled(let source, _): contributions[source].shortcuts.append((gradient.values, subsampled[index]?.shape))
            }
        }
    }

    private func sum(_ contributions: Contributions, of index: Int, batch: Int) -> GradientMap {
        let count = batch * maps[index].shape.count
        var direct = contributions.direct
        let values = direct.isEmpty ? room(index, count: count) : direct.removeFirst()
        for case (let gradient, let shape?) in contributions.shortcuts {
            ck_map_shortcut_backward(gradient.pointer, values.pointer, shape.with(images: batch), threads)
        }
        var rest = direct + contributions.shortcuts.filter { $0.through == nil }.map(\.gradient)
        let last = rest.popLast()
        for other in rest { ck_bf16_add(other.pointer, values.pointer, count, threads) }
        return GradientMap(values: values, shortcut: last)
    }

    /// Zeros.
    private func room(_ index: Int, count: Int) -> Buffer<UInt16> {
        let room = rooms[index] ?? Buffer(batch * maps[index].shape.count, zero: 0)
        rooms[index] = room
        room.pointer.update(repeating: 0, count: count)
        return room
    }

    /// A unit's map of the last forward pass, `[N, H, W, C]` with padded channels, as the packed model has it: levels, or f32.
    package enum MapValues { case levels(UnsafePointer<UInt8>), floats(UnsafePointer<Float>) }

    /// - Returns: `nil` for a map of bf16.
    package func map(_ unit: Int) -> MapValues? {
        let map = maps[unit]
        switch map.type {
        case CK_U8: return .levels(map.levels)
        case CK_F32: return .floats(UnsafePointer(map.pointer.assumingMemoryBound(to: Float.self)))
        default: return nil
        }
    }
}
