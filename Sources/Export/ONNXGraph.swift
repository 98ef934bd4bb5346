// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// An ONNX model under construction: nodes in order, their constants, one input and one output. Field numbers are those of
/// onnx.proto; IR version 8 and opset 13, or 10 and 21 where there are constants of 4 bits.
package struct ONNXGraph {
    package enum Attribute {
        case int(Int), ints([Int]), string(String)
    }

    /// Of nodes that are not standard ONNX; "" for those that are.
    package static let qonnx = "qonnx.custom_op.general"

    private var nodes: [ProtobufMessage] = []
    private var constants: [ProtobufMessage] = []
    private var usesQONNX = false, usesInt4 = false
    /// Of the input, the output, and all results so far.
    private var names: Set<String> = ["image", "scores"]

    package init() {}

    /// The name, or where it is taken, such as by units of a foreign file that share one, the name with a number.
    private mutating func unique(_ name: String) -> String {
        var (free, number) = (name, 2)
        while !names.insert(free).inserted { (free, number) = ("\(name).\(number)", number + 1) }
        return free
    }

    /// Adds a node and returns the name of its result.
    package mutating func node(
        _ type: String, _ inputs: [String], name: String, domain: String = "", _ attributes: [(String, Attribute)] = []
    ) -> String {
        let name = name == "scores" && type == "Gemm" ? name : unique(name)
        var node = ProtobufMessage()
        for input in inputs { node.add(1, input) }
        node.add(2, name)
        node.add(3, name + ".node")
        node.add(4, type)
        for (key, value) in attributes {
            node.add(5) { attribute in
                attribute.add(1, key)
                switch value {
                case .int(let i): attribute.add(3, i); attribute.add(20, 2)
                case .string(let s): attribute.add(4, s); attribute.add(20, 3)
                case .ints(let list):
                    for i in list { attribute.add(8, i) }
                    attribute.add(20, 7)
                }
            }
        }
        if !domain.isEmpty {
            node.add(7, domain)
            usesQONNX = true
        }
        nodes.append(node)
        return name
    }

    package mutating func constant(_ name: String, _ shape: [Int], _ values: [Float]) -> String {
        constant(name, shape, type: 1, values.withUnsafeBytes { Data($0) })
    }
    mutating func constant(_ name: String, _ shape: [Int], _ values: [Int64]) -> String {
        constant(name, shape, type: 7, values.withUnsafeBytes { Data($0) })
    }

    mutating func constant(_ name: String, _ shape: [Int], _ values: [Int8]) -> String {
        constant(name, shape, type: 3, values.withUnsafeBytes { Data($0) })
    }
    mutating func constant(_ name: String, _ shape: [Int], _ values: [UInt8]) -> String { constant(name, shape, type: 2, Data(values)) }

    /// Two numbers in a byte, the first in its lower half.
    mutating func constant4(_ name: String, _ shape: [Int], _ values: [Int8]) -> String {
        usesInt4 = true
        let bytes = stride(from: 0, to: values.count, by: 2).map { i in
            UInt8(bitPattern: values[i]) & 15 | UInt8(bitPattern: i + 1 < values.count ? values[i + 1] : 0) << 4
        }
        return constant(name, shape, type: 22, Data(bytes))
    }

    /// - Parameters:
    ///   - type: ONNX's number of it.
    ///   - field: of TensorProto, that holds the data: 9 is raw_data.
    package mutating func constant(_ name: String, _ shape: [Int], type: Int, _ data: Data, field: UInt64 = 9) -> String {
        let name = unique(name)
        var tensor = ProtobufMessage()
        for dimension in shape { tensor.add(1, dimension) }
        tensor.add(2, type)
        tensor.add(8, name)
        tensor.add(field, data)
        constants.append(tensor)
        return name
    }

    /// The file's bytes.
    /// - Parameters:
    ///   - input: name and shape after the batch dimension, which is free.
    ///   - facts: for people and programs, into the model's metadata.
    package func encoded(
        name: String, input: (name: String, shape: [Int]), output: (name: String, shape: [Int]), facts: [(String, String)]
    ) -> Data {
        var model = ProtobufMessage()
        model.add(1, usesInt4 ? 10 : 8)
        model.add(2, "bcgd")
        model.add(7) { graph in
            for node in nodes { graph.add(1, node) }
            graph.add(2, name)
            for constant in constants { graph.add(5, constant) }
            graph.add(11, Self.value(input))
            graph.add(12, Self.value(output))
        }
        model.add(8) {
            $0.add(1, ""); $0.add(2, usesInt4 ? 21 : 13)
        }
        if usesQONNX {
            model.add(8) {
                $0.add(1, Self.qonnx); $0.add(2, 1)
            }
        }
        for (key, value) in facts {
            model.add(14) {
                $0.add(1, key); $0.add(2, value)
            }
        }
        return model.bytes
    }

    /// ValueInfoProto of f32 numbers.
    private static func value(_ value: (name: String, shape: [Int])) -> ProtobufMessage {
        var message = ProtobufMessage()
        message.add(1, value.name)
        message.add(2) {
            $0.add(1) { tensor in
                tensor.add(1, 1)
                tensor.add(2) { shape in
                    shape.add(1) { $0.add(2, "N") }
                    for dimension in value.shape { shape.add(1) { $0.add(1, dimension) } }
                }
            }
        }
        return message
    }
}
