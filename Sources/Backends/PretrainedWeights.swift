// SPDX-License-Identifier: GPL-3.0-or-later
import Compute

/// Weights as they travel between programs: a safetensors file of f32 tensors under the network's names, which for ImageNet
/// ResNets are those of torchvision's `state_dict`.
extension Network {
    /// Takes all parameters and running statistics from the file; momentum stays as it is, and quantized weights are to be
    /// projected anew. Resolutions may be absent and then stay; `….num_batches_tracked`, which PyTorch counts, is ignored.
    ///
    /// - Throws: `SafetensorsError` naming what is missing, unknown or of another shape or type; nothing is changed then.
    public func takeWeights(from file: SafetensorsFile) throws {
        let wanted = Dictionary(uniqueKeysWithValues: namedTensors.map { ($0.name, $0.tensor) })
        let given = file.tensors.filter { !$0.key.hasSuffix(".num_batches_tracked") }
        let missing = wanted.keys.filter { given[$0] == nil && !$0.hasSuffix(".resolution") }
        let unknown = given.keys.filter { wanted[$0] == nil }.map(\.debugDescription)
        let misfits = given.compactMap { name, stored -> String? in
            guard let tensor = wanted[name], stored.type != .f32 || stored.shape != tensor.shape else { return nil }
            return "\(name) (\(stored.type.rawValue) \(stored.shape), expected F32 \(tensor.shape))"
        }
        try file.expectOwnNames(as: wanted.keys.filter { !$0.hasSuffix(".resolution") }.min() ?? "")
        let faults = [("lacks", missing), ("has the unknown", unknown), ("has another shape or type of", misfits)]
            .filter { !$0.1.isEmpty }.map { "\($0) \(Self.listed($1))" }
        guard faults.isEmpty else {
            throw SafetensorsError("\(file.path) does not hold the weights of this network: it \(faults.joined(separator: "; it "))")
        }
        let values = try given.map { name, _ in (name, try file.floats(named: name)) }
        let impossible = values.compactMap { Self.impossibleValue($1, named: $0) }
        guard impossible.isEmpty else { throw SafetensorsError("\(file.path) holds no usable weights: \(Self.listed(impossible))") }
        let fixed = namesOfFixed
        for (name, values) in values where !fixed.contains(name) { wanted[name]?.set(values) }
    }

    /// What no trained network holds, in words: a value that is not finite, a variance below 0, a step size that is not above 0.
    /// - Parameter name: of the parameter or running statistic.
    package static func impossibleValue(_ values: [Float], named name: String) -> String? {
        func first(_ isFault: (Float) -> Bool, _ rule: String) -> String? {
            values.firstIndex(where: isFault).map { "\(name) holds \(values[$0]) at place \($0) of \(values.count), which \(rule)" }
        }
        return first({ !$0.isFinite }, "is not finite")
            ?? (name.hasSuffix(".running_var") ? first({ $0 < 0 }, "is no variance") : nil)
            ?? (name.hasSuffix(".resolution") ? first({ $0 <= 0 }, "is no step size: one is above 0") : nil)
    }

    /// All parameters, the float ones `w_f` of quantized weights, and running statistics, to be written to a file.
    public func weightsFile(metadata: [String: String] = [:]) -> SafetensorsFile {
        SafetensorsFile(
            metadata: metadata,
            tensors: Dictionary(
                uniqueKeysWithValues: namedTensors.map { ($0.name, StoredTensor(shape: $0.tensor.shape, $0.tensor.values)) }))
    }

    private var namedTensors: [NamedTensor] { parameters.map { NamedTensor(name: $0.name, tensor: $0.value) } + statistics }

    /// The first few of the names, in order, and how many more there are.
    private static func listed(_ names: [String]) -> String {
        let shown = names.sorted().prefix(5)
        return shown.joined(separator: ", ") + (names.count > shown.count ? " and \(names.count - shown.count) more" : "")
    }
}

extension SafetensorsFile {
    /// - Parameter name: of a tensor that the file should hold.
    /// - Throws: `SafetensorsError` when it holds it under a name with something before it, as all others then are.
    public func expectOwnNames(as name: String) throws {
        guard tensors[name] == nil, let longer = tensors.keys.filter({ $0.hasSuffix("." + name) }).min() else { return }
        let prefix = longer.dropLast(name.count)
        guard tensors.keys.allSatisfy({ $0.hasPrefix(prefix) }) else { return }
        throw SafetensorsError(
            "\(path): every name begins with \"\(prefix)\", as wrappers of PyTorch's write them: `python3 "
                + "Experiments/pytorch/convert_torchvision.py \(path) OUT.safetensors` takes it off")
    }

    /// The same weights as this suite keeps them: f16 and bf16 widened to f32, which is exact, and names without `module.` and `model.`,
    /// which wrappers of PyTorch's put before all of them.
    /// - Returns: also what was done, in words.
    public func asOwn() -> (file: SafetensorsFile, notes: [String]) {
        var (own, notes) = (self, [String]())
        for prefix in ["module.", "model."] where !own.tensors.isEmpty && own.tensors.keys.allSatisfy({ $0.hasPrefix(prefix) }) {
            own.tensors = Dictionary(uniqueKeysWithValues: own.tensors.map { (String($0.key.dropFirst(prefix.count)), $0.value) })
            notes.append("\(path): every name begins with \"\(prefix)\", as wrappers of PyTorch's write them: it is taken off")
        }
        let narrow = own.tensors.filter { [.f16, .bf16].contains($0.value.type) }
        for (name, tensor) in narrow { own.tensors[name] = tensor.widened }
        if !narrow.isEmpty { notes.append("\(path): \(narrow.count) of \(own.tensors.count) tensors are of 16 bits, and become f32") }
        return (own, notes)
    }

    /// The same weights with a classifier (`fc.weight`, `fc.bias`) of these classes alone, in this order: predictions
    /// restricted to them.
    /// - Throws: `SafetensorsError` when there is no such classifier or a class is none of its.
    public func selectingClasses(_ rows: [Int]) throws -> SafetensorsFile {
        guard let shape = tensors["fc.weight"]?.shape, shape.count == 2 else {
            throw SafetensorsError("\(path) has no classifier fc.weight of two dimensions, whose classes could be selected")
        }
        if let row = rows.first(where: { !(0..<shape[0]).contains($0) }) {
            throw SafetensorsError("\(path) has a classifier of \(shape[0]) classes: there is no class \(row) (counted from 0)")
        }
        let (weight, bias) = (try floats(named: "fc.weight"), try floats(named: "fc.bias", shape: [shape[0]]))
        // Before rows are left out: a file with such numbers is none to start from.
        if let fault = Network.impossibleValue(weight, named: "fc.weight") ?? Network.impossibleValue(bias, named: "fc.bias") {
            throw SafetensorsError("\(path) holds no usable weights: \(fault)")
        }
        var selected = self
        selected.tensors["fc.weight"] = StoredTensor(
            shape: [rows.count, shape[1]], rows.flatMap { weight[$0 * shape[1]..<($0 + 1) * shape[1]] })
        selected.tensors["fc.bias"] = StoredTensor(shape: [rows.count], rows.map { bias[$0] })
        return selected
    }
}

extension StoredTensor {
    /// f16 or bf16 as f32.
    fileprivate var widened: StoredTensor {
        let values = data.withUnsafeBytes { bytes in
            (0..<data.count / 2).map { i in
                let bits = bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)
                return type == .bf16 ? Float(bitPattern: UInt32(bits) << 16) : Float(Float16(bitPattern: bits))
            }
        }
        return StoredTensor(shape: shape, values)
    }
}
