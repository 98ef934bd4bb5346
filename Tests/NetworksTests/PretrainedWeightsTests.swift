// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Foundation
import Networks
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

    /// PyTorch's counters do not matter, and a float network's file lacks resolutions: they stay.
    @Test func countersAndResolutions() throws {
        let network = try tinyNetwork(batch: 1)
        for parameter in network.parameters where parameter.kind == .resolution { parameter.value.fill(0.25) }
        var file = network.weightsFile()
        for name in file.tensors.keys where name.hasSuffix(".resolution") { file.tensors[name] = nil }
        file.tensors["stem.bn.num_batches_tracked"] = StoredTensor(shape: [], [Int64(7)])
        file.tensors["linear.bias"] = StoredTensor(shape: [5], [1, 2, 3, 4, 5] as [Float])
        try network.takeWeights(from: file)
        #expect(network.parameters.filter { $0.kind == .resolution }.allSatisfy { $0.value.values == [0.25] })
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
        #expect(error?.description == """
            (not yet a file) does not hold the weights of this network: it lacks stem.bn.running_var; it has the unknown \
            "layer0.conv1.weight", "layer1.conv1.weight", "layer2.conv1.weight", "layer3.conv1.weight", "layer4.conv1.weight" \
            and 2 more; it has another shape or type of linear.bias (F32 [10], expected F32 [5]), stem.bn.weight (F64 [4], \
            expected F32 [4])
            """)
        // Nothing was taken, not even the tensors that fit.
        #expect(try network.weightsFile().encoded() == before)
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
        file.tensors["fc.bias"] = nil
        #expect(throws: SafetensorsError.self) { try file.selectingClasses([0]) }
        #expect(throws: SafetensorsError.self) { try SafetensorsFile().selectingClasses([0]) }
    }
}
