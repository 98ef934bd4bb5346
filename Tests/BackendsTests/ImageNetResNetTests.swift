// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Foundation
import Graph
import Quantization
import TestSupport
import Testing

/// ImageNet's ResNets against PyTorch; `pytorch/imagenet.py` made the vectors.
@Suite struct ImageNetResNetTests {
    /// torchvision's documentation of `ResNet18_Weights` and `ResNet34_Weights` (num_params); per image, its table's 1.81 and
    /// 3.66 G multiply-adds.
    @Test(arguments: [("imagenet-resnet18", 11_689_512, 1.81), ("imagenet-resnet34", 21_797_672, 3.66)])
    func size(_ name: String, _ parameters: Int, _ billions: Double) throws {
        let network = try network(name, side: 224, classes: 1000, batch: 1)
        #expect(network.parameters.reduce(0) { $0 + $1.value.count } == parameters)
        #expect(abs(Double(network.multiplyAdds) / 1e9 - billions) < 0.01)
    }

    @Test(arguments: ["projection_block_relu", "projection_block_4bit"], [1, 2])
    func projectionBlock(_ name: String, threads: Int) throws {
        let vector = try Vector(name)
        let (x, dy) = (try vector.map("x"), try vector.map("dy"))
        let batch = x.shape[0]
        let block = try Layers(
            x.featureShape, activation: name.hasSuffix("relu") ? .relu : .quantized(try QuantizedReLU(bits: 4)), batch: batch,
            threads: threads
        ) { $0.basicBlock("block", dy.shape[3], stride: 2, isProjected: true) }
        func plain(_ name: String) -> String { String(name.dropFirst("block.".count)) }
        for parameter in block.tensors.all { parameter.value.set(try vector.floats(plain(parameter.name))) }
        for statistic in block.tensors.statistics { statistic.tensor.set(try vector.floats(plain(statistic.name))) }
        let y = try block.forward(x)
        #expect(try vector.deviation(y.values, from: "y") <= vector.tolerance())
        #expect(try vector.deviation(block.backward(dy), from: "dx") <= vector.tolerance())
        #expect(block.tensors.all.count == vector.file.tensors.keys.count { $0.hasPrefix("grad.") })
        for parameter in block.tensors.all {
            let deviation = try vector.deviation(parameter.gradient.values, from: "grad." + plain(parameter.name))
            #expect(deviation <= (try vector.tolerance()), "\(parameter.name)")
        }
        for statistic in block.tensors.statistics {
            let deviation = try vector.deviation(statistic.tensor.values, from: "after." + plain(statistic.name))
            #expect(deviation <= (try vector.tolerance()), "\(statistic.name)")
        }
    }

    /// All weights from a hash; every gradient by its norm and its projections on four hashed directions. The vectors' image
    /// keeps all ReLUs away from their kinks.
    @Test(arguments: ["imagenet-resnet18", "imagenet-resnet34"])
    func wholeNetwork(_ name: String) throws {
        let vector = try Vector(name.replacing("-", with: "_"))
        let (batch, side, classes) = (try vector.integer("batch"), try vector.integer("side"), try vector.integer("classes"))
        let network = try network(name, side: side, classes: classes, batch: batch)
        let tensors = network.parameters.map { ($0.name, $0.value) } + network.statistics.map { ($0.name, $0.tensor) }
        for (seed, (name, tensor)) in tensors.sorted(by: { $0.0 < $1.0 }).enumerated() { setHashed(tensor, name, seed: seed) }
        let images = network.input.tensor(batch: batch)
        images.set(hashed(seed: try vector.integer("image_seed"), count: images.count).map(Float.init))
        let scores = try network.forward(images, batch: batch, mode: .training)
        #expect(try vector.deviation(scores.values, from: "logits") <= vector.tolerance())
        let loss = SoftmaxCrossEntropy(classes: classes, in: try context(batch: batch))
        _ = loss(scores, labels: [0, 1, 2], batch: batch)
        try network.backward(loss.gradient, batch: batch)
        var (norms, projections): ([Float], [Float]) = ([], [])
        for (index, parameter) in network.parameters.sorted(by: { $0.name < $1.name }).enumerated() {
            let gradient = parameter.gradient.values.map(Double.init)
            let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
            norms.append(Float(log(norm)))
            let count = try vector.integer("directions")
            let directions = hashed(seed: 2000 + index, count: count * gradient.count)
            for d in 0..<count {
                let dot = gradient.indices.reduce(0) { $0 + gradient[$1] * directions[d * gradient.count + $1] }
                projections.append(Float(dot / norm))
            }
        }
        #expect(try vector.deviation(norms, from: "norms_log") <= vector.tolerance())
        #expect(try vector.deviation(projections, from: "projections") <= vector.tolerance())
        let evaluated = try network.forward(images, batch: batch, mode: .evaluation)
        #expect(try vector.deviation(evaluated.values, from: "logits_evaluation") <= vector.tolerance())
    }

    /// PyTorch's scores with torchvision's weights for the image of a formula.
    @Test(.needs(.pretrained))
    func publishedWeights() throws {
        let vector = try Vector("imagenet_resnet18_pretrained")
        let network = try network("imagenet-resnet18", side: 224, classes: 1000, batch: 1)
        try network.takeWeights(from: try SafetensorsFile(path: try RealData.pretrained.requirePath()))
        let image = network.input.tensor(batch: 1)
        for h in 0..<224 {
            for w in 0..<224 {
                for c in 0..<3 {
                    let (y, x, z) = (Double(h), Double(w), Double(c))
                    image.pointer[(h * 224 + w) * 3 + c] = Float(
                        1.5 * sin(0.05 * y + z) * cos(0.03 * x - z) + 0.5 * sin(0.4 * y + 0.3 * x))
                }
            }
        }
        let scores = try network.forward(image, batch: 1, mode: .evaluation)
        #expect(try vector.deviation(scores.values, from: "logits") <= vector.tolerance())
    }

    /// `hashed` of the script: the finaliser of MurmurHash3, numbers in [−1, 1).
    private func hashed(seed: Int, count: Int) -> [Double] {
        let offset = UInt32(truncatingIfNeeded: seed) &* 0x9E37_79B9
        return (0..<count).map { index in
            var h = UInt32(truncatingIfNeeded: index) &+ offset
            h = (h ^ h >> 16) &* 0x85EB_CA6B
            h = (h ^ h >> 13) &* 0xC2B2_AE35
            return Double(h ^ h >> 16) / 2_147_483_648 - 1
        }
    }

    /// `hashed_state` of the script.
    private func setHashed(_ tensor: Tensor, _ name: String, seed: Int) {
        let (u, shape) = (hashed(seed: seed, count: tensor.count), tensor.shape)
        switch shape.count {
        case 4: tensor.set(u.map { Float($0 * (6 / Double(shape[0] * shape[2] * shape[3])).squareRoot()) })
        case 2: tensor.set(u.map { Float($0 * (6 / Double(shape[1])).squareRoot()) })
        case _ where name.hasSuffix("weight") || name.hasSuffix("running_var"): tensor.set(u.map { Float(1 + 0.25 * $0) })
        default: tensor.set(u.map { Float(0.25 * $0) })
        }
    }

    private func network(_ name: String, side: Int, classes: Int, batch: Int) throws -> Network {
        try Network(
            NetworkGraph.named(name, input: FeatureShape(height: side, width: side, channels: 3), classes: classes),
            in: context(batch: batch, threads: 2))
    }
}
