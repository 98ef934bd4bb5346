// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Foundation
import Testing

/// Weights in, weights out.
@Suite struct PretrainedWeightsTests {
    @Test func roundTrip() throws {
        let (source, target) = (try tinyNetwork(batch: 1), try tinyNetwork(batch: 1))
        source.initialize(seed: 3)
        for (index, statistic) in source.statistics.enumerated() { statistic.tensor.fill(Float(index) + 0.5) }
        let bytes = try source.weightsFile(metadata: ["network": "tiny"]).encoded()
        let file = try SafetensorsFile(bytes: bytes, path: "weights")
        #expect(file.metadata == ["network": "tiny"])
        try target.takeWeights(from: file)
        #expect(try target.weightsFile(metadata: ["network": "tiny"]).encoded() == bytes)
    }

    /// PyTorch's counters do not matter, and a float network's file lacks step sizes: they stay.
    @Test func countersAndStepSizes() throws {
        let network = try tinyNetwork(batch: 1)
        for parameter in network.parameters where parameter.kind == .stepSize { parameter.value.fill(0.25) }
        var file = network.weightsFile()
        for name in file.tensors.keys where name.hasSuffix(".resolution") { file.tensors[name] = nil }
        file.tensors["stem.bn.num_batches_tracked"] = StoredTensor(shape: [], [Int64(7)])
        file.tensors["linear.bias"] = StoredTensor(shape: [5], [1, 2, 3, 4, 5] as [Float])
        try network.takeWeights(from: file)
        #expect(network.parameters.filter { $0.kind == .stepSize }.allSatisfy { $0.value.values == [0.25] })
        #expect(network.parameters.first { $0.name == "linear.bias" }?.value.values == [1, 2, 3, 4, 5])
    }

    @Test func oneErrorNamesEveryFault() throws {
        let network = try tinyNetwork(batch: 1)
        network.initialize(seed: 4)
        let before = try network.weightsFile().encoded()
        var file = network.weightsFile()
        file.tensors["linear.bias"] = StoredTensor(shape: [10], [Float](repeating: 1, count: 10))
        file.tensors["stem.bn.weight"] = StoredTensor(shape: [4], [1, 1, 1, 1] as [Double])
        file.tensors["stem.bn.running_var"] = nil
        file.tensors["stem.conv.weight"] = StoredTensor(shape: [4, 3, 3, 3], [Float](repeating: 1, count: 108))
        for index in 0..<7 { file.tensors["layer\(index).conv1.weight"] = StoredTensor(shape: [1], [1] as [Float]) }
        let error = #expect(throws: SafetensorsError.self) { try network.takeWeights(from: file) }
        #expect(
            error?.description == """
                (not yet a file) does not hold the weights of this network: it lacks stem.bn.running_var; it has the unknown \
                "layer0.conv1.weight", "layer1.conv1.weight", "layer2.conv1.weight", "layer3.conv1.weight", "layer4.conv1.weight" \
                and 2 more; it has another shape or type of linear.bias (F32 [10], expected F32 [5]), stem.bn.weight (F64 [4], \
                expected F32 [4])
                """)
        // Nothing was taken, not even the tensors that fit.
        #expect(try network.weightsFile().encoded() == before)
    }

    /// Weights that are no numbers, a variance below 0 and a step size that is not above 0: refused by name, and nothing is taken.
    @Test(arguments: [
        ("stem.conv.weight", 5, Float.nan, "stem.conv.weight holds nan at place 5 of 108, which is not finite"),
        ("linear.bias", 4, .infinity, "linear.bias holds inf at place 4 of 5"),
        ("block1.bn1.weight", 0, -.infinity, "block1.bn1.weight holds -inf"),
        ("stem.bn.running_mean", 3, .signalingNaN, "stem.bn.running_mean holds"),
        ("stem.bn.running_var", 3, -0.5, "stem.bn.running_var holds -0.5 at place 3 of 4, which is no variance"),
        ("stem.act.resolution", 0, 0, "stem.act.resolution holds 0.0 at place 0 of 1, which is no step size"),
        ("stem.act.resolution", 0, -1, "stem.act.resolution holds -1.0")
    ])
    func impossibleNumbersAreRefused(_ name: String, _ place: Int, _ value: Float, _ words: String) throws {
        let network = try tinyNetwork(batch: 1)
        network.initialize(seed: 4)
        let before = try network.weightsFile().encoded()
        var file = network.weightsFile()
        let tensor = try #require(file.tensors[name])
        var values = try file.floats(named: name)
        values[place] = value
        file.tensors[name] = StoredTensor(shape: tensor.shape, values)
        let error = #expect(throws: SafetensorsError.self) { try network.takeWeights(from: file) }
        #expect(error?.description.contains("holds no usable weights: \(words)") == true, "\(error?.description ?? "")")
        #expect(try network.weightsFile().encoded() == before)
    }

    /// A variance of 0 is one: batch norm adds ε.
    @Test func aVarianceMayBeZero() throws {
        let network = try tinyNetwork(batch: 1)
        var file = network.weightsFile()
        file.tensors["stem.bn.running_var"] = StoredTensor(shape: [4], [0, 1, 2, 3] as [Float])
        try network.takeWeights(from: file)
    }

    /// Names as DataParallel and wrappers write them: the message says what takes the prefix off.
    @Test(arguments: ["module.", "model.", "module.model."]) func aPrefixIsNamed(_ prefix: String) throws {
        let network = try tinyNetwork(batch: 1)
        var file = network.weightsFile()
        file.tensors = Dictionary(uniqueKeysWithValues: file.tensors.map { (prefix + $0.key, $0.value) })
        let error = #expect(throws: SafetensorsError.self) { try network.takeWeights(from: file) }
        #expect(
            error?.description.contains("every name begins with \"\(prefix)\"") == true
                && error?.description.contains("convert_torchvision.py") == true, "\(error?.description ?? "")")
        // One tensor without it, and it is no prefix.
        file.tensors["x"] = StoredTensor(shape: [1], [1] as [Float])
        #expect(#expect(throws: SafetensorsError.self) { try network.takeWeights(from: file) }?.description.contains("it lacks") == true)
    }

    /// What other programs write: 16 bits, and a prefix before every name.
    @Test(arguments: ["", "module.", "model.", "module.model."]) func whatOthersWriteBecomesOurs(_ prefix: String) throws {
        var file = SafetensorsFile()
        file.tensors[prefix + "a"] = StoredTensor(shape: [2, 2], type: .f16, data: Data([0x00, 0x3e, 0x01, 0x00, 0x00, 0x7c, 0x00, 0xc0]))
        file.tensors[prefix + "b.model.c"] = StoredTensor(shape: [2], type: .bf16, data: Data([0xc0, 0x3f, 0x80, 0xff]))
        file.tensors[prefix + "d"] = StoredTensor(shape: [1], [3] as [Float])
        let (own, notes) = file.asOwn()
        #expect(try own.floats(named: "a", shape: [2, 2]) == [1.5, 0x1p-24, .infinity, -2])
        #expect(try own.floats(named: "b.model.c", shape: [2]) == [1.5, -.infinity])
        #expect(try own.floats(named: "d") == [3] && own.tensors.count == 3)
        #expect(
            notes.count == prefix.split(separator: ".").count + 1 && notes.last?.contains("2 of 3 tensors are of 16 bits") == true,
            "\(notes)")
        // Not a prefix of all.
        file.tensors["e"] = StoredTensor(shape: [1], [3] as [Float])
        #expect(Set(file.asOwn().file.tensors.keys) == Set(file.tensors.keys))
    }

    /// Rows of the classifier in the order asked for; all else stays.
    @Test func selectingClasses() throws {
        var file = SafetensorsFile(metadata: ["a": "b"])
        file.tensors["fc.weight"] = StoredTensor(shape: [4, 2], [0, 1, 10, 11, 20, 21, 30, 31] as [Float])
        file.tensors["fc.bias"] = StoredTensor(shape: [4], [0, 1, 2, 3] as [Float])
        file.tensors["conv1.weight"] = StoredTensor(shape: [1], [7] as [Float])
        let selected = try file.selectingClasses([3, 1])
        #expect(try selected.floats(named: "fc.weight", shape: [2, 2]) == [30, 31, 10, 11])
        #expect(try selected.floats(named: "fc.bias", shape: [2]) == [3, 1])
        #expect(try selected.floats(named: "conv1.weight") == [7] && selected.metadata == ["a": "b"])
        #expect(throws: SafetensorsError.self) { try file.selectingClasses([4]) }
        // Also in a row that is left out.
        var wild = file
        wild.tensors["fc.bias"] = StoredTensor(shape: [4], [0, 1, .infinity, 3] as [Float])
        let error = #expect(throws: SafetensorsError.self) { try wild.selectingClasses([3, 1]) }
        #expect(error?.description.contains("fc.bias holds inf at place 2 of 4") == true)
        file.tensors["fc.bias"] = nil
        #expect(throws: SafetensorsError.self) { try file.selectingClasses([0]) }
        #expect(throws: SafetensorsError.self) { try SafetensorsFile().selectingClasses([0]) }
    }
}
