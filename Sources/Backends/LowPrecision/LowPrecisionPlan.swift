// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph
import Quantization

/// How a graph runs in low precision: its units, which of them compute in integers, and the numbers of their maps.
///
/// A map is of levels (u8) where a quantized ReLU made it and every convolution that reads it has quantized weights; else it is
/// bf16, which holds levels exactly too. A convolution of levels is exact integer arithmetic.
package struct LowPrecisionPlan {
    package let graph: NetworkGraph
    package let units: [FusedUnit]
    /// Of each unit's map.
    let types: [ck_number]
    /// Of what the gradients of integer convolutions are made; with `s16`, the rest of an all-integer network computes in order.
    let gradients: QuantizedConvolution.Gradients

    /// - Parameters:
    ///   - relaxesWeights: the passes may multiply by other weights than quantized ones.
    ///   - gradients: of integer convolutions' results.
    /// - Throws: `GraphError` naming what low precision does not know.
    package init(_ graph: NetworkGraph, relaxesWeights: Bool, gradients: QuantizedConvolution.Gradients = .bf16) throws {
        let units = try graph.fused()
        func hasIntegerWeights(_ unit: FusedUnit) -> Bool { !relaxesWeights && graph.nodes[unit.node].operation.weights != nil }
        // Convolutions that read a unit's map, directly or through maxima.
        func readers(_ unit: Int) -> [Int] {
            units.indices.filter { units[$0].input == unit }.flatMap {
                units[$0].kind == .maximum ? readers($0) : units[$0].kind == .convolution ? [$0] : []
            }
        }
        var types: [ck_number] = []
        for (index, unit) in units.enumerated() {
            if unit.kind == .maximum {
                guard unit.input >= 0 else { throw GraphError("low precision begins with a convolution, not with a maximum") }
                types.append(types[unit.input])
            } else if unit.kind == .convolution, unit.activation == nil {
                let isExact = unit.input >= 0 && types[unit.input] == CK_U8
                types.append(isExact ? CK_F32 : CK_BF16)
            } else {
                let readers = readers(index)
                let areLevels =
                    graph.qmax(unit) != nil
                    && (readers.isEmpty ? hasIntegerWeights(unit) : readers.allSatisfy { hasIntegerWeights(units[$0]) })
                types.append(areLevels ? CK_U8 : CK_BF16)
            }
        }
        (self.graph, self.units, self.types, self.gradients) = (graph, units, types, gradients)
        for index in units.indices { try check(index) }
    }

    /// The numbers of a unit's map: levels, f32 values, or what is rounded to bf16.
    package enum Numbers { case levels, values, rounded }
    package func numbers(_ unit: Int) -> Numbers { types[unit] == CK_U8 ? .levels : types[unit] == CK_F32 ? .values : .rounded }

    /// The forward pass of a unit's convolution is exact.
    package func isInteger(_ unit: Int) -> Bool {
        units[unit].kind == .convolution && units[unit].input >= 0 && types[units[unit].input] == CK_U8
    }

    func keepsIntegerWeightsOnly(_ weight: String) -> Bool {
        units.indices.contains { isInteger($0) && units[$0].name + ".weight" == weight }
    }

    /// The highest level of what a unit reads; `nil` where it is no map of levels.
    package func qmax(readBy unit: Int) -> Int? { origin(units[unit].input).flatMap(graph.qmax) }

    /// The unit whose convolution and activation made a unit's map: itself, but for maxima; `nil` for the image.
    package func origin(_ unit: Int) -> FusedUnit? {
        guard unit >= 0 else { return nil }
        return units[unit].kind == .maximum ? origin(units[unit].input) : units[unit]
    }

    /// As a convolution of all that it reads: a linear layer's kernel is its whole map.
    package func shape(_ unit: Int) -> ConvolutionShape {
        let unit = units[unit]
        return ConvolutionShape(
            input: graph.shape(graph.nodes[unit.node].inputs[0]), outputChannels: unit.output.channels, kernel: unit.kernel,
            stride: unit.stride,
            padding: unit.padding)
    }

    private func check(_ index: Int) throws {
        let unit = units[index]
        if unit.kind != .convolution {
            guard unit.input >= 0 else { throw GraphError("\(unit.name): low precision begins with a convolution") }
            guard types[unit.input] != CK_F32 else {
                throw GraphError("\(unit.name): in low precision it reads a map that an activation made")
            }
            // Maxima compare bits, as unsigned numbers.
            guard unit.kind != .maximum || origin(index)?.activation != nil else {
                throw GraphError("\(unit.name): in low precision a maximum reads a map that an activation made")
            }
            return
        }
        if unit.input >= 0, types[unit.input] == CK_F32 {
            throw GraphError("\(unit.name): in low precision a convolution reads a map that an activation made")
        }
        if case .subsampled(let source, _) = unit.shortcut {
            guard units[source].output.channels % 16 == 0, unit.output.channels % 16 == 0 else {
                throw GraphError("\(unit.name): in low precision a subsampled shortcut takes channels by sixteen")
            }
        }
        if let quantizer = graph.quantizer(unit), !quantizer.fitsBytes {
            throw GraphError("\(unit.name): low precision has levels 0 to 255, \(quantizer.name) has \(quantizer.grid)")
        }
        guard isInteger(index), let level = qmax(readBy: index), let weights = graph.nodes[unit.node].operation.weights else { return }
        let shape = Lowering(shape(index)).convolution
        let terms = shape.input.channels * shape.kernel * shape.kernel
        guard terms <= Int(Int32.max) / (level * weights.quantizer.maximumIntegerWeight) else {
            throw GraphError("\(unit.name): sums of \(terms) products of levels up to \(level) may exceed 32 bits")
        }
    }
}

extension NetworkGraph {
    /// The highest level of a unit's own activation; `nil` where it makes none.
    package func qmax(_ unit: FusedUnit) -> Int? {
        quantizer(unit)?.grid.upperBound
    }

    /// Of a unit's own activation; `nil` where that is none or a plain ReLU.
    package func quantizer(_ unit: FusedUnit) -> (any ActivationQuantizer)? {
        guard let activation = unit.activation, case .activation(let function) = nodes[activation].operation else { return nil }
        return function.quantizer
    }
}
