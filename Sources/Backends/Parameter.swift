// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph
import Quantization
import Statistics

/// One learned tensor with all that training keeps of it.
public final class Parameter {
    public let spec: ParameterSpec
    public var name: String { spec.name }
    public var kind: ParameterSpec.Kind { spec.kind }
    /// The float values; for a quantized weight, `w_f`.
    public let value: Tensor
    public let gradient: Tensor
    public let momentum: Tensor
    /// Adam's mean of squared gradients.
    public let secondMoment: Tensor?
    /// What the f32 passes multiply by where the parameter is quantized: `w_q = δ·q`, or the relaxed weights
    /// `(λ·w_q + w_f)/(1 + λ)` of BinaryRelax; not kept `multipliesByIntegerWeights`.
    public let quantized: Tensor?
    /// Of the last projection: the integers `q`, which the integer passes use, and the scales δ, one for each of `slices`
    /// equal parts of the values (one: the whole layer; or one an output channel).
    package let integerWeights: UnsafeMutablePointer<Int8>?
    package let scales: UnsafeMutablePointer<Float>
    package let slices: Int
    /// λ/(1 + λ); 1 where the passes use `w_q` itself.
    package private(set) var relaxationShare: Float = 1
    /// Room for what the update leaves for the projection: Σ|w| and max|w| of each slice.
    package let magnitudes: UnsafeMutablePointer<ck_magnitudes>
    /// The integers are ±1, which the update's own pass can make.
    package let isBinary: Bool
    /// Of weights that learn it: the parameter of their step sizes, one a slice.
    package internal(set) var learnedStepSizes: Parameter?
    /// A step size of a run before, which the calibration of others leaves as it is.
    package var isKeptByCalibration = false
    /// The layer never asks for `w_q`, only for integer weights and scale.
    package let multipliesByIntegerWeights: Bool

    /// - Parameters:
    ///   - value: and the others: `spec.shape`, a parameter's own or parts of a network's.
    ///   - multipliesByIntegerWeights: for the integer passes of mixed precision.
    init(
        _ spec: ParameterSpec, value: Tensor, gradient: Tensor, momentum: Tensor, secondMoment: Tensor?, multipliesByIntegerWeights: Bool
    ) {
        (self.spec, self.multipliesByIntegerWeights) = (spec, multipliesByIntegerWeights)
        (self.value, self.gradient, self.momentum, self.secondMoment) = (value, gradient, momentum, secondMoment)
        isBinary = spec.quantization?.isBinary == true
        slices = spec.quantization?.isPerChannel == true ? spec.shape[0] : 1
        (scales, magnitudes) = (.allocate(capacity: slices), .allocate(capacity: slices))
        scales.update(repeating: 0, count: slices)
        magnitudes.update(repeating: ck_magnitudes(), count: slices)
        integerWeights = spec.quantization == nil ? nil : .allocate(capacity: spec.count)
        integerWeights?.update(repeating: 0, count: spec.count)
        quantized = spec.quantization == nil || multipliesByIntegerWeights ? nil : Tensor(spec.shape)
        if case .constant(let constant) = spec.initial { value.fill(constant) }
    }

    deinit {
        integerWeights?.deallocate()
        scales.deallocate()
        magnitudes.deallocate()
    }

    /// Draws the initial values; a constant draws nothing.
    func initialize(_ random: inout Philox) {
        for i in 0..<value.count {
            switch spec.initial {
            case .constant(let constant): value.pointer[i] = constant
            case .normal(let deviation): value.pointer[i] = Float(deviation * random.normal())
            }
        }
    }

    /// What the forward and backward passes multiply by: `w_q` if there is one, else the float values.
    public var effective: Tensor {
        precondition(integerWeights == nil || !multipliesByIntegerWeights, "\(name) keeps integer weights only")
        return quantized ?? value
    }

    /// `w_q ← proj_Q(w_f)`, and from it what the passes multiply by. Does nothing for float weights.
    public func project(threads: Int) { project(known: .none, threads: threads) }

    /// The same after the update's pass over the weights.
    package func project(known: KnownMagnitudes, threads: Int) {
        guard let integerWeights, let quantizer = spec.quantization?.quantizer else { return }
        let isRelaxed = relaxationShare < 1
        // A projection follows the use of the gradient or the start of training: the gradient's room is free.
        let scratch = quantized?.pointer ?? gradient.pointer
        if let learnedStepSizes, let quantizer = quantizer as? any LearnedStepSizeQuantizer {
            scales.update(from: learnedStepSizes.value.pointer, count: slices)
            forEachSlice { slice, start, count in
                quantizer.project(
                    value.pointer + start, count: count, stepSize: scales[slice], quantized: scratch + start,
                    integerWeights: integerWeights + start, threads: threads)
            }
        } else {
            quantizer.project(
                value.pointer, count: value.count, slices: slices, known: known, quantized: isRelaxed ? nil : quantized?.pointer,
                integerWeights: integerWeights, scales: scales, scratch: scratch, threads: threads)
        }
        if isRelaxed { useProjection(relaxationShare: relaxationShare, threads: threads) }
    }

    /// Step sizes that weights learn begin with the scales of their quantizer, where these are positive.
    func calibrateStepSizes(threads: Int) {
        guard let learnedStepSizes, !learnedStepSizes.isKeptByCalibration, let quantizer = spec.quantization?.quantizer else { return }
        forEachSlice { slice, start, count in
            let first = quantizer.referenceProject(Array(UnsafeBufferPointer(start: value.pointer + start, count: count))).scale
            if first > 0 { learnedStepSizes.value.pointer[slice] = first }
        }
        project(threads: threads)
    }

    /// Turns the gradient in the quantized weights, as a backward pass leaves it, into that in the float ones, and fills that of step sizes
    /// that they learn. Does nothing where it is straight through.
    package func takeCoarseGradient(threads: Int) {
        guard let quantizer = spec.quantization?.quantizer else { return }
        if let quantizer = quantizer as? any TransformedWeightQuantizer {
            forEachSlice { _, start, count in
                quantizer.transform(gradient: gradient.pointer + start, weights: value.pointer + start, count: count, threads: threads)
            }
        } else if let learnedStepSizes, let quantizer = quantizer as? any LearnedStepSizeQuantizer {
            forEachSlice { slice, start, count in
                let function = quantizer.function, gradient = gradient.pointer + start
                let sum = function.backward(
                    input: value.pointer + start, outputGradient: gradient, inputGradient: gradient, count: count,
                    stepSize: learnedStepSizes.value.pointer[slice], threads: threads)
                learnedStepSizes.gradient.pointer[slice] = Float(sum * Double(function.stepSizeGradientScale(features: count)))
            }
        }
    }

    private func forEachSlice(_ body: (_ slice: Int, _ start: Int, _ count: Int) -> Void) {
        for slice in 0..<slices { body(slice, slice * (value.count / slices), value.count / slices) }
    }

    /// Has the passes multiply by `share·w_q + (1 − share)·w_f` from now on, `w_q` being the last projection.
    package func useProjection(relaxationShare share: Float, threads: Int) {
        relaxationShare = share
        guard let integerWeights else { return }
        precondition(quantized != nil || share == 1, "\(name) keeps integer weights only, which cannot be relaxed")
        guard let quantized else { return }
        ck_relaxed_weights(
            value.pointer, integerWeights, scales, value.count, slices, share, quantized.pointer, Int32(threads))
    }

    /// Puts a projection of earlier back (`useProjection` makes it take effect); does nothing for float weights.
    package func restoreProjection(integerWeights: [Int8], scales: [Float]) {
        precondition(integerWeights.count == value.count && scales.count == slices, "another tensor's projection")
        self.integerWeights?.update(from: integerWeights, count: integerWeights.count)
        self.scales.update(from: scales, count: scales.count)
    }

    /// The scale δ of an output channel's integer weights; 1 where all its weights are 0, which are then 0 times anything.
    package func scale(of channel: Int) -> Float {
        let scale = scales[slices == 1 ? 0 : channel]
        return scale > 0 ? scale : 1
    }

    var requiredIntegerWeights: UnsafePointer<Int8> {
        guard let integerWeights else { preconditionFailure("\(name) is not quantized") }
        return UnsafePointer(integerWeights)
    }
}
