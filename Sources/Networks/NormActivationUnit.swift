// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Quantization

/// Batch norm, residual addition and activation fused, between a convolution's results and the next map.
///
/// With `y = unit·acc + bias` the convolution's output (unit = unit_in·δ, of each channel), the layers `BatchNormLayer`, `QuantizedReLULayer`
/// and `ReLULayer` are this one's readable reference; their formulas hold with
///
///     t = z/α = a·acc + b + (α_s/α)·L_s,   a = γ·unit/(s·α),   b = (β + γ(bias − μ)/s)/α
///     dγ = (unit/s) Σ dz (acc − mean),   dβ = Σ dz,   dy = (γ/s) (dz − dβ/R − x̂ dγ/R)
///
/// where L_s is the shortcut's map in units of α_s, and α = 1 without the quantized ReLU. Parameters and statistics carry
/// the reference's names, so checkpoints are common.
final class NormActivationUnit {
    let scale, shift: Parameter
    let resolution: Parameter?
    let runningMean, runningVariance: NamedTensor
    let output: FeatureMap
    var parameters: [Parameter] { [scale, shift] + [resolution].compactMap { $0 } }
    var statistics: [NamedTensor] { [runningMean, runningVariance] }

    /// `nil` without the quantized ReLU.
    let function: QuantizedReLU?
    private let activation: ck_activation
    private let type: ck_number
    /// As the last forward pass used them.
    let a, b: Buffer<Float>
    private let mean: Buffer<Float>
    private let p, q, r: Buffer<Float>
    private let moments: Buffer<Double>
    private let inverse, sums: Buffer<Double>
    private let scratch: Buffer<Double>
    private let threads: Int32

    /// - Parameters:
    ///   - names: without an activation's name there is none, and the result is f32 beside levels, else bf16.
    ///   - accType: of the convolution's results.
    init(_ names: UnitNames, _ shape: FeatureShape, accType: ck_number, _ arithmetic: MixedArithmetic) {
        let (channels, norm, workshop) = (shape.channels, names.norm, arithmetic.workshop)
        precondition(channels % 16 == 0, "the fused kernels take channels by sixteen")
        type = accType
        switch (names.activation, arithmetic.activation) {
        case (nil, _): (function, activation, resolution) = (nil, CK_IDENTITY, nil)
        case (_, .custom): preconditionFailure("mixed precision has no custom activations (`Architecture.network`)")
        case (_, .relu): (function, activation, resolution) = (nil, CK_RELU, nil)
        case (let name?, .quantized(let quantized)):
            (function, activation) = (quantized, CK_QUANTIZED_RELU)
            resolution = Parameter(name + ".resolution", .resolution, shape: [1], initial: .constant(1))
        }
        scale = Parameter(norm + ".weight", .affine, shape: [channels], initial: .constant(1))
        shift = Parameter(norm + ".bias", .affine, shape: [channels])
        runningMean = NamedTensor(name: norm + ".running_mean", tensor: Tensor([channels]))
        runningVariance = NamedTensor(name: norm + ".running_var", tensor: Tensor([channels]))
        runningVariance.tensor.fill(1)
        output = FeatureMap(
            shape, names.activation != nil ? arithmetic.mapType : arithmetic.isInteger ? CK_F32 : CK_BF16, resolution: resolution, batch: workshop.batch)
        func floats() -> Buffer<Float> { Buffer(channels, zero: 0) }
        (a, b, mean, p, q, r) = (floats(), floats(), floats(), floats(), floats(), floats())
        (moments, inverse, sums) = (Buffer(2 * channels, zero: 0), Buffer(channels, zero: 0), Buffer(2 * channels, zero: 0))
        scratch = Buffer((2 * channels + 1) * workshop.engine.threads, zero: 0)
        threads = workshop.threads
    }

    private func map(_ acc: UnsafeRawPointer, _ shortcut: FeatureMap?, batch: Int) -> ck_norm_activation {
        let shape = output.shape
        return ck_norm_activation(
            acc: acc, acc_type: type, rows: batch * shape.height * shape.width, channels: shape.channels, a: a.pointer,
            b: b.pointer, shortcut: shortcut.map { UnsafeRawPointer($0.pointer) }, shortcut_type: shortcut?.type ?? CK_BF16,
            step: step(shortcut), top: Float(function?.maximumLevel ?? 0), activation: activation)
    }

    /// What one of the shortcut's map is worth, in units of the output.
    func step(_ shortcut: FeatureMap?) -> Float { (shortcut?.unit ?? 0) / output.unit }

    /// - Parameters:
    ///   - acc: `[N, H, W, C]` of the unit's type.
    ///   - units: what one of `acc` is worth, `[C]`.
    ///   - bias: the convolution's, `[C]`.
    func forward(
        _ acc: UnsafeRawPointer, units: Buffer<Float>, bias: Tensor?, shortcut: FeatureMap?, batch: Int, mode: Mode
    ) -> FeatureMap {
        let channels = output.shape.channels
        if mode != .evaluation {
            let rows = batch * output.shape.height * output.shape.width
            ck_acc_statistics(
                acc, type, rows, channels, moments.pointer, moments.pointer + channels, scratch.pointer, threads)
            if mode == .training { updateRunning(units: units, bias: bias, rows: rows) }
        }
        fold(units: units, bias: bias, running: mode == .evaluation)
        if mode == .calibration, let function, let resolution {
            resolution.value.fill(1)
            fold(units: units, bias: bias, running: false)
            let largest = ck_norm_activation_maximum(map(acc, shortcut, batch: batch))
            if largest > 0 { resolution.value.fill(largest / Float(function.maximumLevel)) }
            fold(units: units, bias: bias, running: false)
        }
        ck_norm_activation_forward(map(acc, shortcut, batch: batch), output.pointer, output.type, threads)
        return output
    }

    /// Batch norm's scale and shift, divided by α, per unit of `acc`.
    private func fold(units: Buffer<Float>, bias: Tensor?, running: Bool) {
        let (channels, alpha) = (output.shape.channels, Double(output.unit))
        for c in 0..<channels {
            let (unit, bias) = (Double(units.pointer[c]), Double(bias?.pointer[c] ?? 0))
            let center = running ? Double(runningMean.tensor.pointer[c]) : unit * moments.pointer[c] + bias
            let variance = running ? Double(runningVariance.tensor.pointer[c]) : unit * unit * moments.pointer[channels + c]
            inverse.pointer[c] = 1 / (variance + Double(BatchNormLayer.epsilon)).squareRoot()
            let gain = Double(scale.value.pointer[c]) * inverse.pointer[c]
            a.pointer[c] = Float(gain * unit / alpha)
            b.pointer[c] = Float((Double(shift.value.pointer[c]) + gain * (bias - center)) / alpha)
            mean.pointer[c] = Float(moments.pointer[c])
        }
    }

    private func updateRunning(units: Buffer<Float>, bias: Tensor?, rows: Int) {
        let (channels, rate) = (output.shape.channels, BatchNormLayer.runningRate)
        let unbiased = Double(rows) / Double(max(rows - 1, 1))
        for c in 0..<channels {
            let unit = Double(units.pointer[c])
            let batchMean = Float(unit * moments.pointer[c] + Double(bias?.pointer[c] ?? 0))
            let batchVariance = Float(unbiased * unit * unit * moments.pointer[channels + c])
            runningMean.tensor.pointer[c] += rate * (batchMean - runningMean.tensor.pointer[c])
            runningVariance.tensor.pointer[c] += rate * (batchVariance - runningVariance.tensor.pointer[c])
        }
    }

    /// Turns the gradient in the output's values into dz, in place (`gradient.values`: what a shortcut passes on), and fills
    /// `accGradient` with `factors·dy`, both bf16.
    func backward(
        _ gradient: GradientMap, acc: UnsafeRawPointer, units: Buffer<Float>, factors: Buffer<Float>, shortcut: FeatureMap?,
        accGradient: Buffer<UInt16>, batch: Int
    ) {
        let (channels, map) = (output.shape.channels, map(acc, shortcut, batch: batch))
        let (sum, dot) = (sums.pointer, sums.pointer + channels)
        let resolutionGradient = ck_norm_activation_backward_sums(
            map, gradient.values.pointer, gradient.shortcut.map { UnsafePointer($0.pointer) }, mean.pointer,
            function?.kernelDerivatives ?? ck_coarse_derivatives(), sum, dot, scratch.pointer, threads)
        resolution?.gradient.fill(Float(resolutionGradient))
        for c in 0..<channels {
            let (rows, perAcc) = (Double(map.rows), Double(units.pointer[c]) * inverse.pointer[c])
            let gain = Double(factors.pointer[c]) * Double(scale.value.pointer[c]) * inverse.pointer[c]
            shift.gradient.pointer[c] = Float(sum[c])
            scale.gradient.pointer[c] = Float(dot[c] * perAcc)
            let slope = -gain * perAcc * perAcc * dot[c] / rows
            p.pointer[c] = Float(gain)
            q.pointer[c] = Float(slope)
            r.pointer[c] = Float(-gain * sum[c] / rows - slope * moments.pointer[c])
        }
        ck_norm_activation_backward_input(
            map, gradient.values.pointer, p.pointer, q.pointer, r.pointer, accGradient.pointer, threads)
    }
}
