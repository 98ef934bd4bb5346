// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Networks
import Quantization
import Testing

/// Every layer's forward and backward pass against PyTorch.
@Suite struct LayerVectorTests {
    @Test(arguments: [
        "conv3x3_s1", "conv3x3_s1_bias", "conv3x3_s1_16to16", "conv3x3_s1_1x1image", "conv3x3_s2", "conv3x3_s2_even", "conv1x1_s2",
        "conv1x1_s2_bias", "conv7x7_s2", "conv7x7_s2_bias",
    ], [1, 2])
    func convolution(_ name: String, threads: Int) throws {
        let vector = try Vector(name)
        let (x, dy) = (try vector.map("x"), try vector.map("dy"))
        let weight = try vector.shape("weight")
        let hasBias = vector.file.metadata["bias"] == "true"
        let layer = ConvolutionLayer(
            "conv",
            .init(
                input: x.featureShape, outputChannels: weight[0], kernel: weight[2], stride: try vector.integer("stride"),
                padding: try vector.integer("padding")),
            hasBias: hasBias, in: try workshop(batch: x.shape[0], threads: threads))
        layer.weight.value.set(try vector.floats("weight"))
        if hasBias { layer.bias?.value.set(try vector.floats("bias")) }
        try check(layer, vector, x: x, dy: dy)
        #expect(try vector.deviation(layer.weight.gradient.values, from: "dweight") <= vector.tolerance())
        if let bias = layer.bias { #expect(try vector.deviation(bias.gradient.values, from: "dbias") <= vector.tolerance()) }
    }

    @Test(arguments: ["batchnorm_train", "batchnorm_train_16", "batchnorm_train_offset", "batchnorm_eval"])
    func batchNorm(_ name: String) throws {
        let vector = try Vector(name)
        let (x, dy) = (try vector.map("x"), try vector.map("dy"))
        let isTraining = vector.file.metadata["mode"] == "train"
        let layer = BatchNormLayer("bn", x.featureShape, in: try workshop(batch: x.shape[0], threads: 2))
        layer.scale.value.set(try vector.floats("gamma"))
        layer.shift.value.set(try vector.floats("beta"))
        layer.runningMean.tensor.set(try vector.floats("running_mean"))
        layer.runningVariance.tensor.set(try vector.floats("running_var"))
        let y = try layer.forward(x, batch: x.shape[0], mode: isTraining ? .training : .evaluation)
        #expect(try vector.deviation(y.values, from: "y") <= vector.tolerance())
        guard isTraining else { return }
        #expect(try vector.deviation(layer.runningMean.tensor.values, from: "running_mean_after") <= vector.tolerance())
        #expect(try vector.deviation(layer.runningVariance.tensor.values, from: "running_var_after") <= vector.tolerance())
        #expect(try vector.deviation(layer.backward(dy, batch: x.shape[0]).values, from: "dx") <= vector.tolerance())
        #expect(try vector.deviation(layer.scale.gradient.values, from: "dgamma") <= vector.tolerance())
        #expect(try vector.deviation(layer.shift.gradient.values, from: "dbeta") <= vector.tolerance())
    }

    /// The `_steps` cases lie on, one ulp above and one ulp below every step, with dy powers of two: exact.
    @Test(arguments: ["1bit", "2bit", "4bit", "1bit_steps", "2bit_steps", "4bit_steps"], CoarseInputDerivative.allCases)
    func quantizedReLU(_ name: String, inputDerivative: CoarseInputDerivative) throws {
        let vector = try Vector("qrelu_" + name)
        let (x, dy) = (try vector.map("x"), try vector.map("dy"))
        let tolerance = name.hasSuffix("steps") ? 0 : try vector.tolerance()
        for resolutionDerivative in CoarseResolutionDerivative.allCases {
            let function = try QuantizedReLU(
                bits: try vector.integer("bits"), inputDerivative: inputDerivative, resolutionDerivative: resolutionDerivative)
            let layer = QuantizedReLULayer("act", function, x.featureShape, in: try workshop(batch: x.shape[0]))
            layer.resolution.value.set(try vector.floats("alpha"))
            let y = try layer.forward(x, batch: x.shape[0], mode: .training)
            #expect(try vector.deviation(y.values, from: "y") <= tolerance)
            let dx = try layer.backward(dy, batch: x.shape[0])
            #expect(try vector.deviation(dx.values, from: "dx." + inputDerivative.rawValue) <= tolerance)
            #expect(
                try vector.deviation(layer.resolution.gradient.values, from: "dalpha." + resolutionDerivative.rawValue) <= tolerance)
        }
    }

    @Test(arguments: [
        "maxpool2x2_28", "maxpool2x2_14", "maxpool2x2_7", "maxpool2x2_ties", "maxpool3x3_ties", "maxpool3x3", "maxpool3x3_negative",
    ])
    func maxPool(_ name: String) throws {
        let vector = try Vector(name)
        let x = try vector.map("x")
        let layer = MaxPoolLayer(
            x.featureShape, window: try vector.integer("kernel"), stride: try vector.integer("stride"),
            padding: try vector.integer("padding"), in: try workshop(batch: x.shape[0], threads: 2))
        try check(layer, vector, x: x, dy: try vector.map("dy"))
    }

    @Test func globalMeanPool() throws {
        let vector = try Vector("global_average_pool")
        let x = try vector.map("x")
        try check(GlobalMeanPoolLayer(x.featureShape, in: try workshop(batch: x.shape[0])), vector, x: x, dy: try vector.map("dy"))
    }

    @Test func linear() throws {
        let vector = try Vector("linear")
        let (x, dy) = (try vector.map("x"), try vector.map("dy"))
        let layer = LinearLayer("fc", x.featureShape, outputs: dy.shape[3], in: try workshop(batch: x.shape[0]))
        layer.weight.value.set(try vector.floats("weight"))
        layer.bias.value.set(try vector.floats("bias"))
        try check(layer, vector, x: x, dy: dy)
        #expect(try vector.deviation(layer.weight.gradient.values, from: "dweight") <= vector.tolerance())
        #expect(try vector.deviation(layer.bias.gradient.values, from: "dbias") <= vector.tolerance())
    }

    @Test(arguments: ["cross_entropy", "cross_entropy_large"])
    func softmaxCrossEntropy(_ name: String) throws {
        let vector = try Vector(name)
        let scores = try vector.map("logits")
        let labels = try vector.file.values(Int64.self, named: "labels").map(Int32.init)
        let loss = SoftmaxCrossEntropy(classes: scores.shape[3], in: try workshop(batch: scores.shape[0]))
        let outcome = loss(scores, labels: labels, batch: labels.count)
        #expect(try vector.deviation([Float(outcome.lossSum / Double(labels.count))], from: "loss") <= vector.tolerance())
        #expect(try vector.deviation(loss.gradient.values, from: "dlogits") <= vector.tolerance())
    }

    private func check(_ layer: any Layer, _ vector: Vector, x: Tensor, dy: Tensor) throws {
        let y = try layer.forward(x, batch: x.shape[0], mode: .training)
        #expect(try vector.deviation(y.values, from: "y") <= vector.tolerance())
        #expect(try vector.deviation(layer.backward(dy, batch: x.shape[0]).values, from: "dx") <= vector.tolerance())
    }
}
