// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Graph
import Quantization

/// Everything that decides what a training run computes, apart from its data and its seed (METHOD.md part 2).
///
/// Written in YAML with the key names below; a recipe file holds only what differs from its base.
public struct Recipe: Codable, Equatable, Sendable {
    /// `float` trains without quantization; `bcgd` blends with ρ = `blending`; `bc` (BinaryConnect) is ρ = 0; `binary-relax`
    /// is `bc` whose first epochs run on relaxed weights.
    public enum Method: String, Codable, CaseIterable, Sendable {
        case float, bcgd, bc
        case binaryRelax = "binary-relax"
    }
    /// Which layers' weights are quantized: `all`, all but the first and the last (`inner`), or all but linear ones.
    public enum Layers: String, Codable, CaseIterable, Sendable { case all, inner, convolutions }
    /// One scale δ for a layer's weights, or one for each output channel.
    public enum Scaling: String, Codable, CaseIterable, Sendable {
        case perLayer = "per-layer"
        case perChannel = "per-channel"
    }
    /// Which projection of the weights the test images see: that of the `current` ones, or of those before the last step.
    public enum Evaluation: String, Codable, CaseIterable, Sendable { case current, lagged }

    public var network: String
    public var method: Method
    /// 1 binary, 2 ternary, 3–8 uniform, 32 float.
    public var weightBits: Int
    /// 1–8, or 32 for plain ReLU.
    public var activationBits: Int
    public var quantizedLayers: Layers
    /// ρ of METHOD.md part 1, in [0, 1).
    public var blending: Float
    /// The coarse derivatives of the quantized ReLU in x and in α.
    public var inputDerivative: CoarseInputDerivative
    public var resolutionDerivative: CoarseResolutionDerivative
    public var batchSize: Int
    public var epochs: Int
    /// η at the start; divided by `rateDivisor` after each epoch in `milestones` (counted from 1).
    public var rate: Double
    public var rateDivisor: Double
    public var milestones: [Int]
    /// η_α / η.
    public var resolutionRateFactor: Double
    /// α never falls below this: its definition needs α > 0.
    public var resolutionMinimum: Float
    public var momentum: Float
    /// On weights, biases and batch norm's scale and shift; not on α.
    public var weightDecay: Float
    /// Augmentation: black pixels around the image before the random crop; horizontal flip.
    public var cropPadding: Int
    public var flip: Bool

    // What follows may be left out; the paper's recipe does. `RecipeKeys.swift` explains each.
    @Optionally<Standard.PerLayer> public var scaling
    /// At 2 bits.
    @Optionally<Standard.Exact> public var ternary
    /// At 3 bits and more: Lloyd's alternation ends after so many iterations at the latest.
    @Optionally<Standard.Hundred> public var lloydIterations
    @Optionally<Standard.Current> public var evaluation
    /// On α.
    @Optionally<Standard.Zero> public var resolutionDecay
    @Optionally<Standard.One> public var resolutionGradientFactor
    /// The gradient in α, times its factor, is kept within ± this.
    public var resolutionGradientLimit: Float?
    public var resolutionMaximum: Float?
    /// BinaryRelax: λ grows from `relaxationStart` by the same factor each epoch and reaches `relaxationEnd` in the last
    /// one of the first `relaxationShare` of the epochs; the others project exactly.
    @Optionally<Standard.One> public var relaxationStart
    @Optionally<Standard.RelaxationEnd> public var relaxationEnd
    @Optionally<Standard.RelaxationShare> public var relaxationShare
    /// Rows and columns that images in files are brought to; `nil` for images in memory, which have one size of their own.
    public var imageSize: Int?
    /// Images in files: the random crop takes at least this part of the area.
    @Optionally<Standard.SmallestCrop> public var smallestCrop

    enum CodingKeys: String, CodingKey, CaseIterable {
        case network, method
        case weightBits = "weight_bits"
        case activationBits = "activation_bits"
        case quantizedLayers = "quantized_layers"
        case scaling, ternary
        case lloydIterations = "lloyd_iterations"
        case blending
        case relaxationStart = "relaxation_start"
        case relaxationEnd = "relaxation_end"
        case relaxationShare = "relaxation_share"
        case inputDerivative = "input_derivative"
        case resolutionDerivative = "resolution_derivative"
        case batchSize = "batch_size"
        case epochs, rate
        case rateDivisor = "rate_divisor"
        case milestones, momentum
        case weightDecay = "weight_decay"
        case resolutionRateFactor = "resolution_rate_factor"
        case resolutionGradientFactor = "resolution_gradient_factor"
        case resolutionGradientLimit = "resolution_gradient_limit"
        case resolutionDecay = "resolution_decay"
        case resolutionMinimum = "resolution_minimum"
        case resolutionMaximum = "resolution_maximum"
        case cropPadding = "crop_padding"
        case flip, evaluation
        case imageSize = "image_size"
        case smallestCrop = "smallest_crop"
    }

    /// ρ as the method has it.
    public var effectiveBlending: Float { method == .bcgd ? blending : 0 }

    /// The learning rate η of an epoch, counted from 0.
    public func rate(epoch: Int) -> Double {
        milestones.reduce(rate) { epoch >= $1 ? $0 / rateDivisor : $0 }
    }

    /// How weights are projected; `nil` for float ones.
    public func weightProjection() throws -> WeightProjection? {
        weightBits == 32
            ? nil : try WeightProjection(bits: weightBits, maximumIterations: lloydIterations, ternary: ternary)
    }

    /// Epochs of BinaryRelax's first phase; at least one of the others remains.
    var relaxedEpochs: Int { method == .binaryRelax ? min(Int(relaxationShare * Float(epochs)), epochs - 1) : 0 }

    /// λ of BinaryRelax in an epoch, counted from 0; `nil` where weights are projected exactly.
    ///
    /// `λ = start·(end/start)^((epoch + 1)/relaxed epochs)`.
    public func relaxation(epoch: Int) -> Float? {
        guard epoch < relaxedEpochs else { return nil }
        return relaxationStart * Float(pow(Double(relaxationEnd / relaxationStart), Double(epoch + 1) / Double(relaxedEpochs)))
    }

    /// The activation of the network.
    public func activation() throws -> ActivationFunction {
        guard activationBits != 32 else { return .relu }
        return .quantized(
            try QuantizedReLU(
                bits: activationBits, inputDerivative: inputDerivative, resolutionDerivative: resolutionDerivative))
    }

    /// - Parameter knownNetwork: whether `network` must name one of ours.
    /// - Throws: `RecipeError` naming the key, what it may be and what it is.
    public func validate(knownNetwork: Bool = true) throws {
        func need(_ condition: Bool, _ key: CodingKeys, _ allowed: String, _ found: Any) throws {
            if !condition { throw RecipeError("\(key.rawValue) must be \(allowed), not \(found)", key: key.rawValue) }
        }
        try need(!knownNetwork || NetworkGraph.isKnown(network), .network, "one of \(NetworkGraph.knownNames)", network)
        for (key, value) in numbers { try need(key.allowed.contains(value), key, "\(key.allowed)", value) }
        let allowed = CodingKeys.milestones.allowed, isAscending = zip(milestones, milestones.dropFirst()).allSatisfy { $0 < $1 }
        try need(isAscending && milestones.allSatisfy { allowed.contains(Double($0)) }, .milestones, "\(allowed)", milestones)
        let isFloat = weightBits == 32 && activationBits == 32
        try need(isFloat == (method == .float), .method, isFloat ? "float at 32 bits" : "bcgd or bc below 32 bits, or binary-relax below 32 weight bits", method.rawValue)
        try need(method != .binaryRelax || weightBits < 32, .method, "bcgd or bc at 32 weight bits: there is nothing to relax", method.rawValue)
        try need(method != .binaryRelax || epochs >= 2, .epochs, "at least 2 for binary-relax, which has two phases", epochs)
        try need(imageSize == nil || cropPadding == 0, .cropPadding, "0 with image_size", cropPadding)
        try need(resolutionMaximum ?? .infinity >= resolutionMinimum, .resolutionMaximum, "at least resolution_minimum", resolutionMaximum ?? 0)
        try need(relaxationEnd >= relaxationStart, .relaxationEnd, "at least relaxation_start", relaxationEnd)
        try need(
            relaxationEnd / relaxationStart <= 1e30, .relaxationStart, "above 0, and not 1e30 times smaller than relaxation_end",
            relaxationStart)
    }

    /// Every setting that is one number, those left out not.
    private var numbers: [(CodingKeys, Double)] {
        let integers: [(CodingKeys, Int?)] = [
            (.weightBits, weightBits), (.activationBits, activationBits), (.batchSize, batchSize), (.epochs, epochs), (.cropPadding, cropPadding),
            (.imageSize, imageSize), (.lloydIterations, lloydIterations),
        ]
        let singles: [(CodingKeys, Float?)] = [
            (.blending, blending), (.resolutionMinimum, resolutionMinimum), (.momentum, momentum), (.weightDecay, weightDecay),
            (.resolutionDecay, resolutionDecay), (.resolutionGradientFactor, resolutionGradientFactor),
            (.resolutionGradientLimit, resolutionGradientLimit), (.resolutionMaximum, resolutionMaximum), (.relaxationStart, relaxationStart),
            (.relaxationEnd, relaxationEnd), (.relaxationShare, relaxationShare),
        ]
        let doubles = [
            (CodingKeys.rate, rate), (.rateDivisor, rateDivisor), (.resolutionRateFactor, resolutionRateFactor), (.smallestCrop, smallestCrop),
        ]
        return integers.compactMap { key, value in value.map { (key, Double($0)) } }
            + singles.compactMap { key, value in value.map { (key, Double($0)) } } + doubles
    }
}

/// A recipe or table file that says something impossible.
public struct RecipeError: Error, CustomStringConvertible, Equatable {
    public let description: String
    /// The key at fault, where it is one key's.
    let key: String?

    public init(_ description: String) { self.init(description, key: nil) }
    init(_ description: String, key: String?) { (self.description, self.key) = (oneLine(description), key) }
}
