// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Graph
import Quantization

/// What follows from a recipe's settings.
extension Recipe {
    /// ρ as the method has it.
    public var effectiveBlending: Float { method == .bcgd ? blending : 0 }

    /// The learning rate of a step. With B batches an epoch, W epochs of warm-up, E epochs, and t = epoch·B + batch:
    ///
    ///     warm-up  η·min(1, (t + a)/(W·B)), a = min(accumulation, B − batch)
    ///     step     η divided at each milestone ≤ epoch,   cosine  η(1 + cos πp)/2,   linear  η(1 − p),
    ///
    /// where p = (t − W·B)/((E − W)·B) is the part of the steps after the warm-up that is done.
    /// - Parameters:
    ///   - epoch: counted from 0.
    ///   - batch: the first of the step, counted from 0.
    ///   - batches: B.
    public func learningRate(epoch: Int, batch: Int = 0, of batches: Int = 1) -> Double {
        let done = epoch * batches + batch, warmup = warmupEpochs * batches
        let rise = warmup == 0 ? 1 : min(1, Double(done + min(accumulation, batches - batch)) / Double(warmup))
        let part = Double(max(0, done - warmup)) / Double((epochs - warmupEpochs) * batches)
        switch schedule {
        case .step: return rise * milestones.reduce(learningRate) { epoch >= $1 ? $0 / rateDivisor : $0 }
        case .cosine: return rise * learningRate * (1 + cos(.pi * part)) / 2
        case .linear: return rise * learningRate * (1 - part)
        }
    }

    /// Training multiplies by weights that are not quantized.
    public var relaxesWeights: Bool { method == .binaryRelax }

    /// How weights are projected, of layers without bits of their own; `nil` for float ones.
    public func weightProjection() throws -> WeightProjection? { try weightProjection(bits: weightBits) }

    func weightProjection(bits: Int) throws -> WeightProjection? {
        bits == 32 ? nil : try WeightProjection(bits: bits, maximumIterations: lloydIterations, ternary: ternary)
    }

    func weights(bits: Int) throws -> WeightQuantization? {
        guard bits != 32 else { return nil }
        // DoReFa's single bit is the projection: sign(w) times the mean of |w|, straight through.
        let quantizer: (any WeightQuantizer)? =
            switch weightQuantizer {
            case .lsq: try LSQWeights(bits: bits)
            case .dorefa where bits > 1: try DoReFaWeights(bits: bits)
            case .projection, .dorefa: try weightProjection(bits: bits)
            }
        return quantizer.map { WeightQuantization($0, isPerChannel: scaling == .perChannel) }
    }

    /// Epochs of BinaryRelax's first phase; at least one of the others remains.
    var relaxedEpochs: Int {
        guard method == .binaryRelax else { return 0 }
        // The share as it was written, 0.53 and not the nearest f32; a product of two such numbers is off by less than 1e-9.
        let share = Double("\(relaxationShare)") ?? Double(relaxationShare)
        return min(Int(share * Double(epochs) + 1e-9), epochs - 1)
    }

    /// λ of BinaryRelax in an epoch, counted from 0; `nil` where weights are projected exactly.
    ///
    /// `λ = start·(end/start)^((epoch + 1)/relaxed epochs)`.
    public func relaxation(epoch: Int) -> Float? {
        guard epoch < relaxedEpochs else { return nil }
        return relaxationStart * Float(pow(Double(relaxationEnd / relaxationStart), Double(epoch + 1) / Double(relaxedEpochs)))
    }

    /// The activation of layers without bits of their own.
    public func activation() throws -> ActivationFunction { try activation(bits: activationBits) }

    func activation(bits: Int) throws -> ActivationFunction {
        guard bits != 32 else { return .relu }
        return switch activationQuantizer {
        case .quantizedReLU:
            .quantized(try QuantizedReLU(bits: bits, inputDerivative: inputDerivative, stepSizeDerivative: stepSizeDerivative))
        case .lsq: .quantized(try LSQ(bits: bits))
        case .pact: .quantized(try PACT(bits: bits))
        case .dorefa: .quantized(try DoReFa(bits: bits))
        }
    }

    /// - Parameter knownNetwork: whether `network` must name one of ours.
    /// - Throws: `RecipeError` naming the key, what it may be and what it is.
    public func validate(knownNetwork: Bool = true) throws {
        func need(_ condition: Bool, _ key: Key, _ allowed: String, _ found: Any) throws {
            if !condition { throw RecipeError("\(key.rawValue) must be \(allowed), not \(found)", key: key.rawValue) }
        }
        try need(!knownNetwork || NetworkGraph.isKnown(network), .network, "one of \(NetworkGraph.knownNames)", network)
        for (key, value) in numbers { try need(key.about.allowed.contains(value), key, "\(key.about.allowed)", value) }
        let allowed = Key.milestones.about.allowed, isAscending = zip(milestones, milestones.dropFirst()).allSatisfy { $0 < $1 }
        try need(isAscending && milestones.allSatisfy { allowed.contains(Double($0)) }, .milestones, "\(allowed)", milestones)
        let isFloat = weightBits == 32 && activationBits == 32
        try need(
            isFloat == (method == .float), .method,
            isFloat ? "float at 32 bits" : "bcgd or bc below 32 bits, or binary-relax below 32 weight bits", method.rawValue)
        let bits = Key.layerBits.about.allowed
        try need(layerBits?.values.allSatisfy { bits.contains(Double($0)) } ?? true, .layerBits, "\(bits)", layerBits ?? [:])
        try need(
            method != .float || layerBits?.values.allSatisfy { $0 == 32 } ?? true, .layerBits,
            "32 of every layer where nothing is quantized", layerBits ?? [:])
        try need(weightQuantizer != .lsq || weightBits >= 2, .weightBits, "2 to 8, or 32, with weight_quantizer: lsq", weightBits)
        try need(weightQuantizer != .dorefa || weightBits != 8, .weightBits, "1 to 7, or 32, with weight_quantizer: dorefa", weightBits)
        try need(
            method != .binaryRelax || weightBits < 32, .method, "bcgd or bc at 32 weight bits: there is nothing to relax", method.rawValue)
        try need(method != .binaryRelax || epochs >= 2, .epochs, "at least 2 for binary-relax, which has two phases", epochs)
        try need(
            method != .binaryRelax || relaxedEpochs >= 1, .relaxationShare, "at least 1/\(epochs), for binary-relax's first phase",
            relaxationShare)
        try need(imageSize == nil || cropPadding == 0, .cropPadding, "0 with image_size", cropPadding)
        try need(stepSizeMaximum ?? .infinity >= stepSizeMinimum, .stepSizeMaximum, "at least resolution_minimum", stepSizeMaximum ?? 0)
        try need(shards & (shards - 1) == 0 && shards <= batchSize, .shards, "a power of two, at most batch_size", shards)
        try need(schedule != .step || milestones.allSatisfy { $0 < epochs }, .milestones, "below the epochs, \(epochs)", milestones)
        try need(warmupEpochs < epochs, .warmupEpochs, "fewer than the epochs", warmupEpochs)
        try need(relaxationEnd >= relaxationStart, .relaxationEnd, "at least relaxation_start", relaxationEnd)
        try need(
            relaxationEnd / relaxationStart <= 1e30, .relaxationStart, "above 0, and not 1e30 times smaller than relaxation_end",
            relaxationStart)
    }

    /// Every setting that is one number; those left out, which are at their standard value, not.
    private var numbers: [(Key, Double)] {
        let settings = (try? JSONSerialization.jsonObject(with: Data(canonicalJSON(self).utf8))) as? [String: Any] ?? [:]
        return Key.allCases.compactMap { key in
            guard key.about.allowed.isNumber, let value = settings[key.rawValue] else { return nil }
            return (key, (value as? Double) ?? Double("\(value)") ?? .nan)
        }
    }
}

/// A recipe or table file that says something impossible.
public struct RecipeError: Error, CustomStringConvertible, Equatable {
    public let description: String
    /// The key at fault, where it is one key's.
    package let key: String?

    public init(_ description: String) { self.init(description, key: nil) }
    package init(_ description: String, key: String?) { (self.description, self.key) = (oneLine(description), key) }
}
