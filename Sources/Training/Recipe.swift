// SPDX-License-Identifier: GPL-3.0-or-later
import Networks
import Quantization

/// Everything that decides what a training run computes, apart from its data and its seed (METHOD.md part 2).
///
/// Written in YAML with the key names below; a recipe file holds only what differs from its base.
public struct Recipe: Codable, Equatable, Sendable {
    /// `float` trains without quantization; `bcgd` blends with ρ = `blending`; `bc` (BinaryConnect) is ρ = 0.
    public enum Method: String, Codable, CaseIterable, Sendable { case float, bcgd, bc }
    /// Which layers' weights are quantized: `all`, or all but the first and the last (`inner`).
    public enum Layers: String, Codable, CaseIterable, Sendable { case all, inner }

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

    enum CodingKeys: String, CodingKey, CaseIterable {
        case network, method, blending, epochs, rate, milestones, momentum, flip
        case weightBits = "weight_bits"
        case activationBits = "activation_bits"
        case quantizedLayers = "quantized_layers"
        case inputDerivative = "input_derivative"
        case resolutionDerivative = "resolution_derivative"
        case batchSize = "batch_size"
        case rateDivisor = "rate_divisor"
        case resolutionRateFactor = "resolution_rate_factor"
        case resolutionMinimum = "resolution_minimum"
        case weightDecay = "weight_decay"
        case cropPadding = "crop_padding"
    }

    /// ρ as the method has it.
    public var effectiveBlending: Float { method == .bcgd ? blending : 0 }

    /// The learning rate η of an epoch, counted from 0.
    public func rate(epoch: Int) -> Double {
        milestones.reduce(rate) { epoch >= $1 ? $0 / rateDivisor : $0 }
    }

    /// How weights are projected; `nil` for float ones.
    public func weightProjection() throws -> WeightProjection? {
        weightBits == 32 ? nil : try WeightProjection(bits: weightBits)
    }

    /// The activation of the network.
    public func activation() throws -> Activation {
        guard activationBits != 32 else { return .relu }
        return .quantized(
            try QuantizedReLU(
                bits: activationBits, inputDerivative: inputDerivative, resolutionDerivative: resolutionDerivative))
    }

    /// - Throws: `RecipeError` naming the key, what it may be and what it is.
    public func validate() throws {
        func need(_ condition: Bool, _ key: CodingKeys, _ allowed: String, _ found: Any) throws {
            if !condition { throw RecipeError("\(key.rawValue) must be \(allowed), not \(found)") }
        }
        try need(Architecture(name: network) != nil, .network, "one of \(Architecture.allowed)", network)
        func bits(_ count: Int) -> Bool { count >= 1 && count <= 8 }
        try need(bits(weightBits) || weightBits == 32, .weightBits, "1 to 8, or 32 for float", weightBits)
        try need(bits(activationBits) || activationBits == 32, .activationBits, "1 to 8, or 32 for ReLU", activationBits)
        let isFloat = weightBits == 32 && activationBits == 32
        try need(isFloat == (method == .float), .method, isFloat ? "float at 32 bits" : "bcgd or bc below 32 bits", method)
        try need(blending >= 0 && blending < 1, .blending, "at least 0 and below 1", blending)
        try need(batchSize >= 1, .batchSize, "at least 1", batchSize)
        try need(epochs >= 1, .epochs, "at least 1", epochs)
        try need(rate > 0 && rate.isFinite, .rate, "above 0", rate)
        try need(rateDivisor >= 1, .rateDivisor, "at least 1", rateDivisor)
        try need(milestones == milestones.sorted() && milestones.allSatisfy { $0 >= 1 }, .milestones, "ascending epochs", milestones)
        try need(resolutionRateFactor >= 0, .resolutionRateFactor, "at least 0", resolutionRateFactor)
        try need(resolutionMinimum > 0, .resolutionMinimum, "above 0", resolutionMinimum)
        try need(momentum >= 0 && momentum < 1, .momentum, "at least 0 and below 1", momentum)
        try need(weightDecay >= 0, .weightDecay, "at least 0", weightDecay)
        try need((0...16).contains(cropPadding), .cropPadding, "0 to 16", cropPadding)
    }
}

/// A recipe or table file that says something impossible.
public struct RecipeError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = description }
}
