// SPDX-License-Identifier: GPL-3.0-or-later

/// What is read of an ONNX file: nodes, constants, and the shape of its one input. Field numbers are those of onnx.proto.
struct ONNXFile {
    struct Tensor {
        var shape: [Int] = []
        /// Row-major; f32 and integers are exact in f64, but for int64 beyond 2^53.
        var numbers: [Double] = []
        /// ONNX's number of the element type: 1 f32, 2 u8, 3 s8, …
        var type = 0
    }

    struct Node {
        var type = "", name = "", domain = ""
        var inputs: [String] = [], outputs: [String] = []
        var integers: [String: [Int]] = [:]
        var texts: [String: String] = [:]
        var number: [String: Float] = [:]
        var tensor: Tensor?
    }

    private(set) var nodes: [Node] = []
    private(set) var constants: [String: Tensor] = [:]
    /// The input that is no constant; dimensions that are free are nil.
    private(set) var inputs: [(name: String, shape: [Int?])] = []
    private(set) var outputs: [String] = []
    private(set) var metadata: [String: String] = [:]

    /// - Throws: `ONNXError` for a damaged file, or one whose weights lie in another.
    init(_ bytes: [UInt8]) throws {
        let reader = ProtobufReader(bytes)
        var graph: Range<Int>?
        try reader.forEach { field, value in
            switch (field, value) {
            case (7, .bytes(let range)): graph = range
            case (14, .bytes(let range)):
                var pair = ["", ""]
                try reader.message(range).forEach { field, value in
                    if case .bytes(let text) = value, (1...2).contains(field) { pair[field - 1] = try reader.text(text) }
                }
                metadata[pair[0]] = pair[1]
            default: break
            }
        }
        guard let graph else { throw ONNXError("no ONNX model: it holds no graph") }
        try reader.message(graph).forEach { field, value in
            guard case .bytes(let range) = value else { return }
            switch field {
            case 1: nodes.append(try Self.node(reader, range))
            case 5:
                let (name, tensor) = try Self.tensor(reader, range)
                constants[name] = tensor
            case 11: inputs.append(try Self.shape(reader, range))
            case 12: outputs.append(try Self.shape(reader, range).name)
            default: break
            }
        }
        inputs.removeAll { constants[$0.name] != nil }
    }

    private static func node(_ reader: ProtobufReader, _ range: Range<Int>) throws -> Node {
        var node = Node()
        try reader.message(range).forEach { field, value in
            guard case .bytes(let range) = value else { return }
            switch field {
            case 1: node.inputs.append(try reader.text(range))
            case 2: node.outputs.append(try reader.text(range))
            case 3: node.name = try reader.text(range)
            case 4: node.type = try reader.text(range)
            case 5: try attribute(reader, range, &node)
            case 7: node.domain = try reader.text(range)
            default: break
            }
        }
        return node
    }

    private static func attribute(_ reader: ProtobufReader, _ range: Range<Int>, _ node: inout Node) throws {
        var name = "", integers: [Int] = [], text: String?, number: Float?, tensor: Tensor?, type: Int?
        try reader.message(range).forEach { field, value in
            switch (field, value) {
            case (1, .bytes(let range)): name = try reader.text(range)
            case (2, .fixed32(let bits)): number = Float(bitPattern: bits)
            case (3, _), (8, _): integers += try reader.varints(value)
            case (4, .bytes(let range)): text = try? reader.text(range)
            case (5, .bytes(let range)): tensor = try Self.tensor(reader, range).tensor
            case (20, _): type = try reader.varints(value).first
            default: break
            }
        }
        // Writers may leave out what is 0: of a FLOAT (1), of an INT (2).
        if type == 1 { number = number ?? 0 }
        if type == 2 && integers.isEmpty { integers = [0] }
        node.integers[name] = integers
        node.texts[name] = text
        node.number[name] = number
        if name == "value" { node.tensor = tensor }
    }

    private static func shape(_ reader: ProtobufReader, _ range: Range<Int>) throws -> (name: String, shape: [Int?]) {
        var name = "", shape: [Int?] = []
        func inside(_ range: Range<Int>, _ path: ArraySlice<Int>) throws {
            try reader.message(range).forEach { field, value in
                guard field == path.first, case .bytes(let range) = value else { return }
                if path.count > 1 { return try inside(range, path.dropFirst()) }
                var side: Int?
                try reader.message(range).forEach { field, value in if field == 1 { side = try reader.varints(value).first } }
                shape.append(side)
            }
        }
        try reader.message(range).forEach { field, value in
            if field == 1, case .bytes(let range) = value { name = try reader.text(range) }
        }
        try inside(range, [2, 1, 2, 1])
        return (name, shape)
    }

    private static func tensor(_ reader: ProtobufReader, _ range: Range<Int>) throws -> (name: String, tensor: Tensor) {
        var (name, tensor, raw, listed, words) = ("", Tensor(), Range<Int>?.none, [Double](), [Int]())
        try reader.message(range).forEach { field, value in
            switch (field, value) {
            case (1, _): tensor.shape += try reader.varints(value)
            case (2, .varint(let number)): tensor.type = Int(truncatingIfNeeded: number)
            case (4, .bytes(let range)): listed += floats(reader, range)
            case (4, .fixed32(let bits)): listed.append(Double(Float(bitPattern: bits)))
            case (5, _): words += try reader.varints(value)
            case (7, _): listed += try reader.varints(value).map(Double.init)
            case (8, .bytes(let range)): name = try reader.text(range)
            case (9, .bytes(let range)): raw = range
            case (10, .bytes(let range)): listed += try numbers(reader.bytes[range], 11, count: nil)
            case (14, .varint(1)): throw ONNXError("weights in another file than the ONNX file: save it as one file")
            default: break
            }
        }
        let count = tensor.shape.reduce(1 as Int?) { product, side in
            guard let product, side >= 0 else { return nil }
            let (next, overflow) = product.multipliedReportingOverflow(by: side)
            return overflow ? nil : next
        }
        tensor.numbers =
            try raw.map { try numbers(reader.bytes[$0], tensor.type, count: count) } ?? (listed + listedWords(words, tensor.type))
        guard tensor.numbers.count == count else {
            throw ONNXError("a damaged ONNX file: the constant \(name) has \(tensor.numbers.count) numbers for the shape \(tensor.shape)")
        }
        return (name, tensor)
    }

    /// `int32_data`: a small number each, of 16-bit floats their bits.
    private static func listedWords(_ words: [Int], _ type: Int) throws -> [Double] {
        switch type {
        case _ where words.isEmpty: return []
        case 2, 3, 6, 9: return words.map(Double.init)
        case 10, 16:
            return try numbers(words.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }[...], type, count: nil)
        default: throw ONNXError("a constant of the ONNX type number \(type) in int32_data, which is not read here")
        }
    }

    private static func floats(_ reader: ProtobufReader, _ range: Range<Int>) -> [Double] {
        stride(from: range.lowerBound, to: range.upperBound - 3, by: 4).map { at in
            Double(Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(reader.bytes[at + $1]) << (8 * $1) }))
        }
    }

    /// Little-endian numbers of ONNX's type numbers.
    private static func numbers(_ raw: ArraySlice<UInt8>, _ type: Int, count: Int?) throws -> [Double] {
        func read<T: FixedWidthInteger>(_: T.Type, _ number: (T) -> Double) -> [Double] {
            let size = MemoryLayout<T>.size
            return stride(from: raw.startIndex, to: raw.endIndex - size + 1, by: size).map { at in
                number((0..<size).reduce(0) { $0 | T(truncatingIfNeeded: raw[at + $1]) << T(truncatingIfNeeded: 8 * $1) })
            }
        }
        switch type {
        case 1: return read(UInt32.self) { Double(Float(bitPattern: $0)) }
        case 2, 9: return read(UInt8.self) { Double($0) }
        case 3: return read(Int8.self) { Double($0) }
        case 6: return read(Int32.self) { Double($0) }
        case 7: return read(Int64.self) { Double($0) }
        case 10: return read(UInt16.self) { Double(Float16(bitPattern: $0)) }
        case 11: return read(UInt64.self) { Double(bitPattern: $0) }
        case 16: return read(UInt16.self) { Double(Float(bitPattern: UInt32($0) << 16)) }
        case 22:
            return raw.flatMap { [Double(Int8(bitPattern: $0 << 4) >> 4), Double(Int8(bitPattern: $0) >> 4)] }.dropLast(
                2 * raw.count - 1 == count ? 1 : 0)
        default: throw ONNXError("a constant of the ONNX type number \(type), which is not read here")
        }
    }
}
