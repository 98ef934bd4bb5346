// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph
import Quantization

/// Batch norm, residual addition and activation fused, between a convolution's results and the next map.
///
/// With `y = unit·acc + bias` the convolution's output (unit = unit_in·δ, of each channel), the layers `BatchNormLayer`,
/// `QuantizedActivationLayer`
/// and `ReLULayer` are this one's readable reference; their formulas hold with
///
///     t = z/α − o = a·acc + b + (α_s/α)·L_s,   a = γ·unit/(s·α),   b = (β + γ(bias − μ)/s)/α − o
///     dγ = (unit/s) Σ dz (acc − mean),   dβ = Σ dz,   dy = (γ/s) (dz − dβ/R − x̂ dγ/R)
///
/// where L_s is the shortcut's map in units of α_s, o the quantizer's `roundingOffset`, and α = 1, o = 0 where no levels are made.
/// Parameters and statistics carry the reference's names, so checkpoints are common.
final class NormActivationUnit {
    private let scale, shift: Parameter
    private let stepSize: Parameter?
    private let runningMean, runningVariance: NamedTensor
    /// `padded` channels; the layer's own are fewer where they are no multiple of 16. Of the others `a` and `b` are 0.
    let output: FeatureMap
    private let channels: Int

    /// `nil` without the quantized ReLU, whose backward pass the kernels know.
    private let function: QuantizedReLU?
    /// Another quantizer, which needs z: α = 1, o = 0 while that is made.
    private let own: OwnActivation?
    private let activation: ck_activation
    /// Of the quantizer; an offset where the kernels make its levels, those of t rounded up.
    let qmax: Int, roundingOffset: Double?
    /// What t is in units of: α, or 1.
    private var foldedStepSize: Float = 1
    private let type: ck_number
    private let a, b, mean: Buffer<Float>
    private let p, q, r: Buffer<Float>
    private let moments: Buffer<Double>
    private let inverse, sums: Buffer<Double>
    private let scratch: Buffer<Double>
    /// In how many parts rows are summed.
    private let parts: Int32
    private let threads: Int32
    private let shards: Shards

    /// - Parameters:
    ///   - unit: with a batch norm.
    ///   - mapType: of the result.
    ///   - accType: of the convolution's results.
    ///   - isOrdered: sums do not depend on the number of threads.
    init(
        _ unit: FusedUnit, _ graph: NetworkGraph, _ tensors: Parameters, mapType: ck_number, accType: ck_number, isOrdered: Bool,
        in context: ExecutionContext
    ) {
        guard let norm = unit.norm.map({ graph.nodes[$0].name }) else { preconditionFailure("\(unit.name) has no batch norm") }
        type = accType
        let (node, quantizer) = (unit.activation.map { graph.nodes[$0] }, graph.quantizer(unit))
        function = quantizer as? QuantizedReLU
        own = function == nil ? quantizer.map { OwnActivation($0, unit.output, in: context) } : nil
        activation = quantizer != nil ? CK_QUANTIZED_RELU : node == nil ? CK_IDENTITY : CK_RELU
        (qmax, roundingOffset) = (quantizer?.grid.upperBound ?? 0, quantizer?.roundingOffset)
        stepSize = node.flatMap { tensors.optional($0.name + ".resolution") }
        (scale, shift) = (tensors[norm + ".weight"], tensors[norm + ".bias"])
        (runningMean, runningVariance) = (tensors.statistic(norm + ".running_mean"), tensors.statistic(norm + ".running_var"))
        channels = unit.output.channels
        output = FeatureMap(unit.output.padded, mapType, stepSize: stepSize, batch: context.batch)
        let channels = output.shape.channels
        func floats() -> Buffer<Float> { Buffer(channels, zero: 0) }
        (a, b, mean, p, q, r) = (floats(), floats(), floats(), floats(), floats(), floats())
        (moments, inverse, sums) = (Buffer(2 * channels, zero: 0), Buffer(channels, zero: 0), Buffer(2 * channels + 1, zero: 0))
        (threads, shards, parts) = (context.threads, context.shards, isOrdered ? 16 : context.threads)
        scratch = Buffer((2 * channels + 1) * Int(max(parts, threads)), zero: 0)
    }

    private func map(_ acc: UnsafeRawPointer, _ shortcut: FeatureMap?, batch: Int, _ activation: ck_activation) -> ck_norm_activation {
        let shape = output.shape
        return ck_norm_activation(
            acc: acc, acc_type: type, rows: batch * shape.height * shape.width, channels: shape.channels, a: a.pointer,
            b: b.pointer, shortcut: shortcut.map { UnsafeRawPointer($0.pointer) }, shortcut_type: shortcut?.type ?? CK_BF16,
            step: step(shortcut), qmax: Float(qmax), activation: activation)
    }

    /// The same of some of the images.
    private func map(_ acc: UnsafeRawPointer, _ shortcut: FeatureMap?, images: Range<Int>, _ activation: ck_activation)
        -> ck_norm_activation
    {
        var part = map(acc + images.lowerBound * output.shape.count * type.bytes, shortcut, batch: images.count, activation)
        if let shortcut {
            part.shortcut = UnsafeRawPointer(shortcut.pointer) + images.lowerBound * output.shape.count * shortcut.type.bytes
        }
        return part
    }

    /// What one of the shortcut's map is worth, in units of t.
    private func step(_ shortcut: FeatureMap?) -> Float { (shortcut?.unit ?? 0) / foldedStepSize }

    /// - Parameters:
    ///   - acc: `[N, H, W, C]` of the unit's type.
    ///   - units: what one of `acc` is worth, `[C]`.
    ///   - bias: the convolution's, `[C]`.
    func forward(
        _ acc: UnsafeRawPointer, units: Buffer<Float>, bias: Tensor?, shortcut: FeatureMap?, batch: Int, mode: Mode
    ) throws -> FeatureMap {
        if mode != .evaluation {
            let (channels, pixels) = (output.shape.channels, output.shape.height * output.shape.width)
            try shards.moments(channels: channels, rows: pixels, into: moments.pointer) { images, moments in
                ck_acc_statistics(
                    acc + images.lowerBound * output.shape.count * type.bytes, type, images.count * pixels, channels, moments,
                    moments + channels,
                    scratch.pointer, parts, threads)
            }
            if mode == .training { updateRunning(units: units, bias: bias, rows: shards.images * pixels) }
        }
        let running = mode == .evaluation
        if mode == .calibration, let function, let stepSize, !stepSize.isKeptByCalibration {
            let former = stepSize.value.pointer[0]
            stepSize.value.fill(1)
            fold(units: units, bias: bias, running: false)
            let largest = try shards.maximum(ck_norm_activation_maximum(map(acc, shortcut, batch: batch, activation)))
            stepSize.value.fill(largest > 0 ? largest / Float(function.qmax) : former)
        }
        if let own, let stepSize, mode != .evaluation || roundingOffset == nil {
            fold(units: units, bias: bias, running: running, isInSteps: false)
            ck_norm_activation_forward(map(acc, shortcut, batch: batch, CK_IDENTITY), own.z.pointer, CK_F32, threads)
            if mode == .calibration { try own.calibrate(stepSize, batch: batch) }
            if roundingOffset == nil {
                own.forward(stepSize, into: output, batch: batch)
                return output
            }
        }
        fold(units: units, bias: bias, running: running)
        ck_norm_activation_forward(map(acc, shortcut, batch: batch, activation), output.pointer, output.type, threads)
        return output
    }

    /// Of evaluation, for each channel of the layer and a sum that is worth 1.
    func folded(bias: Tensor?) -> [BatchNorm.Folded] {
        (0..<channels).map {
            folded($0, unit: 1, bias: Double(bias?.pointer[$0] ?? 0), running: true, stepSize: output.unit, offset: roundingOffset ?? 0)
        }
    }

    private func folded(_ c: Int, unit: Double, bias: Double, running: Bool, stepSize: Float, offset: Double) -> BatchNorm.Folded {
        let variance = moments.pointer[output.shape.channels + c]
        return BatchNorm.Folded(
            unit: unit, bias: bias, mean: running ? Double(runningMean.tensor.pointer[c]) : unit * moments.pointer[c] + bias,
            variance: running ? Double(runningVariance.tensor.pointer[c]) : unit * unit * variance,
            scale: Double(scale.value.pointer[c]), shift: Double(shift.value.pointer[c]), stepSize: Double(stepSize),
            roundingOffset: offset)
    }

    /// Batch norm's scale and shift, divided by α, per unit of `acc`.
    private func fold(units: Buffer<Float>, bias: Tensor?, running: Bool, isInSteps: Bool = true) {
        foldedStepSize = isInSteps ? output.unit : 1
        for c in 0..<channels {
            let folded = folded(
                c, unit: Double(units.pointer[c]), bias: Double(bias?.pointer[c] ?? 0), running: running, stepSize: foldedStepSize,
                offset: isInSteps ? roundingOffset ?? 0 : 0)
            (inverse.pointer[c], a.pointer[c], b.pointer[c]) = (folded.inverse, folded.a, folded.b)
            mean.pointer[c] = Float(moments.pointer[c])
        }
    }

    private func updateRunning(units: Buffer<Float>, bias: Tensor?, rows: Int) {
        let (variances, rate) = (moments.pointer + output.shape.channels, BatchNorm.runningRate)
        let unbiased = Double(rows) / Double(max(rows - 1, 1))
        for c in 0..<channels {
            let unit = Double(units.pointer[c])
            let batchMean = Float(unit * moments.pointer[c] + Double(bias?.pointer[c] ?? 0))
            let batchVariance = Float(unbiased * unit * unit * variances[c])
            runningMean.tensor.pointer[c] += rate * (batchMean - runningMean.tensor.pointer[c])
            runningVariance.tensor.pointer[c] += rate * (batchVariance - runningVariance.tensor.pointer[c])
        }
    }

    /// Turns the gradient in the output's values into dz, in place (`gradient.values`: what a shortcut passes on), in bf16, and fills
    /// `accGradient` with `factors·dy`.
    /// - Returns: what one of `accGradient` is worth; NaN where dy is not finite.
    func backward(
        _ gradient: GradientMap, acc: UnsafeRawPointer, units: Buffer<Float>, factors: Buffer<Float>, shortcut: FeatureMap?,
        into accGradient: AccGradient, batch: Int
    ) throws -> Float {
        var gradient = gradient
        if let own, let stepSize {
            try own.backward(gradient, stepSize, batch: batch)
            gradient.shortcut = nil
        }
        let activation = own == nil ? activation : CK_IDENTITY, padded = output.shape.channels
        let (sum, dot) = (sums.pointer, sums.pointer + padded)
        // The last number is the gradient in α.
        try shards.sum(2 * padded + 1, into: sums.pointer) { images, sums in
            let first = images.lowerBound * output.shape.count
            sums[2 * padded] = ck_norm_activation_backward_sums(
                map(acc, shortcut, images: images, activation), gradient.values.pointer + first,
                gradient.shortcut.map { UnsafePointer($0.pointer + first) }, mean.pointer,
                function?.kernelDerivatives ?? ck_coarse_derivatives(),
                sums, sums + padded, scratch.pointer, parts, threads)
        }
        if function != nil { stepSize?.gradient.fill(Float(sums.pointer[2 * padded])) }
        let rows = Double(shards.images * output.shape.height * output.shape.width)
        for c in 0..<channels {
            let perAcc = Double(units.pointer[c]) * inverse.pointer[c]
            let gain = Double(factors.pointer[c]) * Double(scale.value.pointer[c]) * inverse.pointer[c]
            shift.gradient.pointer[c] = Float(sum[c])
            scale.gradient.pointer[c] = Float(dot[c] * perAcc)
            let slope = -gain * perAcc * perAcc * dot[c] / rows
            p.pointer[c] = Float(gain)
            q.pointer[c] = Float(slope)
            r.pointer[c] = Float(-gain * sum[c] / rows - slope * moments.pointer[c])
        }
        let folded = map(acc, shortcut, batch: batch, activation), dz = gradient.values.pointer
        guard case .s16(_, let limit) = accGradient else {
            ck_norm_activation_backward_input(folded, dz, p.pointer, q.pointer, r.pointer, accGradient.values.pointer, threads)
            return 1
        }
        // Below the floor, which no gradient that matters reaches, the factor would not be finite.
        let largest = try shards.maximum(
            ck_norm_activation_largest_gradient(folded, dz, p.pointer, q.pointer, r.pointer, scratch.pointer, threads))
        guard largest.isFinite else {
            accGradient.integers.update(repeating: 0, count: batch * output.shape.count)
            return .nan
        }
        let scale = max(largest, 0x1p-100) / Float(limit)
        ck_norm_activation_backward_input_s16(folded, dz, p.pointer, q.pointer, r.pointer, 1 / scale, accGradient.integers, threads)
        return scale
    }
}

extension ck_number {
    /// That one number takes.
    var bytes: Int {
        switch self {
        case CK_U8: 1
        case CK_S16, CK_BF16: 2
        default: 4
        }
    }
}
