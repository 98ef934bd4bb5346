// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Quantization
import Testing

/// Every layer's forward and backward pass against PyTorch.
@Suite struct LayerVectorTests {
    @Test(
        arguments: [
            "conv3x3_s1", "conv3x3_s1_bias", "conv3x3_s1_16to16", "conv3x3_s1_1x1image", "conv3x3_s2", "conv3x3_s2_even", "conv1x1_s2",
            "conv1x1_s2_bias", "conv7x7_s2", "conv7x7_s2_bias"
        ], [1, 2])
    func convolution(_ name: String, threads: Int) throws {
        let vector = try Vector(name)
        let (x, dy) = (try vector.map("x"), try vector.map("dy"))
        let weight = try vector.shape("weight")
        let hasBias = vector.file.metadata["bias"] == "true"
        let (stride, padding) = (try vector.integer("stride"), try vector.integer("padding"))
        let layers = try Layers(x.featureShape, batch: x.shape[0], threads: threads) {
            $0.conv("conv", weight[0], kernel: weight[2], stride: stride, padding: padding, hasBias: hasBias)
        }
        layers.tensors["conv.weight"].value.set(try vector.floats("weight"))
        if hasBias { layers.tensors["conv.bias"].value.set(try vector.floats("bias")) }
        try check(layers, vector, x: x, dy: dy)
        #expect(try vector.deviation(layers.tensors["conv.weight"].gradient.values, from: "dweight") <= vector.tolerance())
        if hasBias { #expect(try vector.deviation(layers.tensors["conv.bias"].gradient.values, from: "dbias") <= vector.tolerance()) }
    }

    @Test(arguments: ["batchnorm_train", "batchnorm_train_16", "batchnorm_train_offset", "batchnorm_eval"])
    func batchNorm(_ name: String) throws {
        let vector = try Vector(name)
        let (x, dy) = (try vector.map("x"), try vector.map("dy"))
        let isTraining = vector.file.metadata["mode"] == "train"
        let layers = try Layers(x.featureShape, batch: x.shape[0], threads: 2) { $0.norm("bn") }
        let (scale, shift) = (layers.tensors["bn.weight"], layers.tensors["bn.bias"])
        let (mean, variance) = (layers.tensors.statistic("bn.running_mean").tensor, layers.tensors.statistic("bn.running_var").tensor)
        for (tensor, name) in [(scale.value, "gamma"), (shift.value, "beta"), (mean, "running_mean"), (variance, "running_var")] {
            tensor.set(try vector.floats(name))
        }
        let y = try layers.forward(x, mode: isTraining ? .training : .evaluation)
        #expect(try vector.deviation(y.values, from: "y") <= vector.tolerance())
        guard isTraining else { return }
        #expect(try vector.deviation(mean.values, from: "running_mean_after") <= vector.tolerance())
        #expect(try vector.deviation(variance.values, from: "running_var_after") <= vector.tolerance())
        #expect(try vector.deviation(layers.backward(dy), from: "dx") <= vector.tolerance())
        #expect(try vector.deviation(scale.gradient.values, from: "dgamma") <= vector.tolerance())
        #expect(try vector.deviation(shift.gradient.values, from: "dbeta") <= vector.tolerance())
    }

    /// The `_steps` cases lie on, one ulp above and one ulp below every step, with dy powers of two: exact.
    @Test(arguments: ["1bit", "2bit", "4bit", "1bit_steps", "2bit_steps", "4bit_steps"], CoarseInputDerivative.allCases)
    func quantizedReLU(_ name: String, inputDerivative: CoarseInputDerivative) throws {
        let vector = try Vector("qrelu_" + name)
        let (x, dy) = (try vector.map("x"), try vector.map("dy"))
        let tolerance = name.hasSuffix("steps") ? 0 : try vector.tolerance()
        for stepSizeDerivative in CoarseStepSizeDerivative.allCases {
            let function = try QuantizedReLU(
                bits: try vector.integer("bits"), inputDerivative: inputDerivative, stepSizeDerivative: stepSizeDerivative)
            let layers = try Layers(x.featureShape, activation: .quantized(function), batch: x.shape[0]) { $0.act("act") }
            let stepSize = layers.tensors["act.resolution"]
            stepSize.value.set(try vector.floats("alpha"))
            #expect(try vector.deviation(layers.forward(x).values, from: "y") <= tolerance)
            #expect(try vector.deviation(layers.backward(dy), from: "dx." + inputDerivative.rawValue) <= tolerance)
            #expect(try vector.deviation(stepSize.gradient.values, from: "dalpha." + stepSizeDerivative.rawValue) <= tolerance)
        }
    }

    @Test(arguments: [
        "maxpool2x2_28", "maxpool2x2_14", "maxpool2x2_7", "maxpool2x2_ties", "maxpool3x3_ties", "maxpool3x3", "maxpool3x3_negative"
    ])
    func maxPool(_ name: String) throws {
        let vector = try Vector(name)
        let x = try vector.map("x")
        let (window, stride, padding) = (try vector.integer("kernel"), try vector.integer("stride"), try vector.integer("padding"))
        let layers = try Layers(x.featureShape, batch: x.shape[0], threads: 2) { $0.maxPool(window, stride: stride, padding: padding) }
        try check(layers, vector, x: x, dy: try vector.map("dy"))
    }

    /// A block's first branch with weights of 0 adds nothing, so the sum is the shortcut, exact: nothing is rounded.
    @Test(arguments: ["shortcut_odd", "shortcut_even"], [1, 2])
    func subsampledShortcut(_ name: String, threads: Int) throws {
        let vector = try Vector(name)
        let (x, dy) = (try vector.map("x"), try vector.map("dy"))
        let stride = try vector.integer("stride")
        let layers = try Layers(x.featureShape, batch: x.shape[0], threads: threads) {
            $0.conv("conv", dy.shape[3], kernel: 3, stride: stride).add($0, .subsampled(stride: stride))
        }
        layers.tensors["conv.weight"].value.fill(0)
        #expect(try vector.deviation(layers.forward(x).values, from: "y") == 0)
        #expect(try vector.deviation(layers.backward(dy), from: "dx") == 0)
    }

    @Test func globalMeanPool() throws {
        let vector = try Vector("global_average_pool")
        let x = try vector.map("x")
        try check(Layers(x.featureShape, batch: x.shape[0]) { $0.meanPool() }, vector, x: x, dy: try vector.map("dy"))
    }

    @Test func linear() throws {
        let vector = try Vector("linear")
        let (x, dy) = (try vector.map("x"), try vector.map("dy"))
        let layers = try Layers(x.featureShape, batch: x.shape[0]) { $0.linear("fc", dy.shape[3]) }
        let (weight, bias) = (layers.tensors["fc.weight"], layers.tensors["fc.bias"])
        weight.value.set(try vector.floats("weight"))
        bias.value.set(try vector.floats("bias"))
        try check(layers, vector, x: x, dy: dy)
        #expect(try vector.deviation(weight.gradient.values, from: "dweight") <= vector.tolerance())
        #expect(try vector.deviation(bias.gradient.values, from: "dbias") <= vector.tolerance())
    }

    @Test(arguments: ["cross_entropy", "cross_entropy_large"])
    func softmaxCrossEntropy(_ name: String) throws {
        let vector = try Vector(name)
        let scores = try vector.map("logits")
        let labels = try vector.file.values(Int64.self, named: "labels").map(Int32.init)
        let loss = SoftmaxCrossEntropy(classes: scores.shape[3], in: try context(batch: scores.shape[0]))
        let outcome = loss(scores, labels: labels, batch: labels.count)
        #expect(try vector.deviation([Float(outcome.lossSum / Double(labels.count))], from: "loss") <= vector.tolerance())
        #expect(try vector.deviation(loss.gradient.values, from: "dlogits") <= vector.tolerance())
    }

    private func check(_ layers: Layers, _ vector: Vector, x: Tensor, dy: Tensor) throws {
        #expect(try vector.deviation(layers.forward(x).values, from: "y") <= vector.tolerance())
        #expect(try vector.deviation(layers.backward(dy), from: "dx") <= vector.tolerance())
    }
}
