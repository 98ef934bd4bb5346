// SPDX-License-Identifier: GPL-3.0-or-later
import Graph
import Quantization

/// Everything that decides what a training run computes, apart from its data and its seed (METHOD.md part 2).
///
/// Written in YAML with the key names below; a recipe file holds only what differs from its base. A setting stands in this file
/// alone, in three places: its property, its key, and what is known of the key (`Documentation/AddingASetting.md`).
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
    public var stepSizeDerivative: CoarseStepSizeDerivative
    public var batchSize: Int
    public var epochs: Int
    /// η at the start; divided by `rateDivisor` after each epoch in `milestones` (counted from 1).
    public var learningRate: Double
    public var rateDivisor: Double
    public var milestones: [Int]
    /// η_α / η.
    public var stepSizeRateFactor: Double
    /// α never falls below this: its definition needs α > 0.
    public var stepSizeMinimum: Float
    public var momentum: Float
    /// On weights, biases and batch norm's scale and shift; not on α.
    public var weightDecay: Float
    /// Augmentation: black pixels around the image before the random crop; horizontal flip.
    public var cropPadding: Int
    public var flip: Bool

    // What follows may be left out; the paper's recipe does.
    /// Bits of single layers, by their names (`NetworkGraph.Node.name`), or `first` and `last`: of a convolution's or linear layer's
    /// weights, or of an activation; 32 is float. The others keep `weightBits` and `activationBits`.
    public var layerBits: [String: Int]?
    @Optionally<Standard.PerLayer> public var scaling
    /// At 2 bits.
    @Optionally<Standard.Exact> public var ternary
    /// At 3 bits and more: Lloyd's alternation ends after so many iterations at the latest.
    @Optionally<Standard.Hundred> public var lloydIterations
    @Optionally<Standard.Current> public var evaluation
    /// On α.
    @Optionally<Standard.Zero> public var stepSizeDecay
    @Optionally<Standard.One> public var stepSizeGradientFactor
    /// The gradient in α, times its factor, is kept within ± this.
    public var stepSizeGradientLimit: Float?
    public var stepSizeMaximum: Float?
    /// BinaryRelax: λ grows from `relaxationStart` by the same factor each epoch and reaches `relaxationEnd` in the last
    /// one of the first `relaxationShare` of the epochs; the others project exactly.
    @Optionally<Standard.One> public var relaxationStart
    @Optionally<Standard.RelaxationEnd> public var relaxationEnd
    @Optionally<Standard.RelaxationShare> public var relaxationShare
    /// Rows and columns that images in files are brought to; `nil` for images in memory, which have one size of their own.
    public var imageSize: Int?
    /// Images in files: the random crop takes at least this part of the area.
    @Optionally<Standard.SmallestCrop> public var smallestCrop

    /// A setting by its name in files, in the order in which recipes are read.
    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case network, method
        case weightBits = "weight_bits"
        case activationBits = "activation_bits"
        case quantizedLayers = "quantized_layers"
        case layerBits = "layer_bits"
        case scaling, ternary
        case lloydIterations = "lloyd_iterations"
        case blending
        case relaxationStart = "relaxation_start"
        case relaxationEnd = "relaxation_end"
        case relaxationShare = "relaxation_share"
        case inputDerivative = "input_derivative"
        case stepSizeDerivative = "resolution_derivative"
        case batchSize = "batch_size"
        case epochs
        case learningRate = "rate"
        case rateDivisor = "rate_divisor"
        case milestones, momentum
        case weightDecay = "weight_decay"
        case stepSizeRateFactor = "resolution_rate_factor"
        case stepSizeGradientFactor = "resolution_gradient_factor"
        case stepSizeGradientLimit = "resolution_gradient_limit"
        case stepSizeDecay = "resolution_decay"
        case stepSizeMinimum = "resolution_minimum"
        case stepSizeMaximum = "resolution_maximum"
        case cropPadding = "crop_padding"
        case flip, evaluation
        case imageSize = "image_size"
        case smallestCrop = "smallest_crop"
    }
    public typealias Key = CodingKeys
}

private let method1 = "METHOD.md part 1", method2 = "METHOD.md part 2"
private let authors = "the authors' code ([A] in METHOD.md); not in the paper's recipe"

extension Recipe.Key {
    /// The name in files of a setting called by the field's own term: `step_size_…` is stored as `resolution_…` (the paper's
    /// word for α), `learning_rate` and `learning_rate_divisor` as `rate` and `rate_divisor`. Any other name is its own.
    public static func storedName(_ name: String) -> String {
        let stored = name.replacing(/^step_size_/, with: "resolution_").replacing(/^learning_rate/, with: "rate")
        return Self(rawValue: stored) == nil ? name : stored
    }

    /// What is known of the key; one without does not compile. The ranges are finite, and wide enough for every recipe that one may mean.
    public var about: RecipeKey {
        switch self {
        case .network: RecipeKey(.name(NetworkGraph.knownNames), "the network", source: "\(method2), models")
        case .method:
            RecipeKey(
                .oneOf(Recipe.Method.self),
                "bcgd blends with ρ = blending; bc (BinaryConnect) is ρ = 0; binary-relax is bc that runs its first epochs on "
                    + "(λ·w_q + w_f)/(1 + λ); float quantizes nothing", source: method1)
        case .weightBits: RecipeKey(.bits, "bits of the weights: 1 binary, 2 ternary, more uniform, 32 float", source: method1)
        case .activationBits: RecipeKey(.bits, "bits of the activations; 32 is ReLU", source: method1)
        case .quantizedLayers:
            RecipeKey(
                .oneOf(Recipe.Layers.self), of: .quantizedWeights,
                "whose weights are quantized: all layers', all but the first and last (inner), or all but the linear ones'",
                source: "\(method2): all, and the variant inner; convolutions as in [A]")
        case .layerBits:
            RecipeKey(
                .bitsByName, "bits of single layers by their names, such as { first: 8, last: 8, act1: 8 }: of the first and last layer's weights, "
                    + "or a layer's own; 32 is float", standard: "none", source: "ours")
        case .scaling:
            RecipeKey(
                .oneOf(Recipe.Scaling.self), of: .quantizedWeights, "one scale δ for a layer's weights, or one for each output channel",
                standard: "per-layer", source: "\(method1): per layer; per channel is ours")
        case .ternary:
            RecipeKey(
                .oneOf(TernaryRule.self), of: .quantizedWeights,
                "at 2 weight bits: the exact projection, or threshold 0.7·mean|w| with a scale that divides by all n", standard: "exact",
                source: "\(method1); authors is [A]'s")
        case .lloydIterations:
            RecipeKey(
                .integer(1...10_000), of: .quantizedWeights,
                "at 3 weight bits and more: Lloyd's alternation ends when it stands still, or after so many iterations",
                standard: "100", source: "\(method1); [A] does one at 4 bits")
        case .blending:
            RecipeKey(
                .number(0..<1), of: .quantizedWeights, "ρ: w_f ← (1 − ρ) w_f + ρ w_q before each step of bcgd", title: "ρ",
                source: "\(method2): 1e-5")
        case .inputDerivative:
            RecipeKey(
                .oneOf(CoarseInputDerivative.self), of: .quantizedActivations, "coarse derivative of the quantized ReLU in x",
                title: "x-derivative", source: "\(method1): clipped-relu")
        case .stepSizeDerivative:
            RecipeKey(
                .oneOf(CoarseStepSizeDerivative.self), of: .quantizedActivations, "coarse derivative of the quantized ReLU in α",
                title: "α-derivative", source: "\(method1): three-valued")
        case .batchSize: RecipeKey(.integer(1...65_536), "images a step", source: "\(method2): 128")
        case .epochs: RecipeKey(.integer(1...100_000), "passes over the training images", source: "\(method2): 200")
        case .learningRate:
            RecipeKey(
                .number(above: 0, to: 1e30), "learning rate η at the start", isSingle: false, source: "\(method2): 0.1 float, 0.01 quantized")
        case .rateDivisor:
            RecipeKey(.number(1...1e6), "η is divided by this at each milestone; 1 keeps it", isSingle: false, source: "\(method2): 10")
        case .milestones: RecipeKey(.ascending(1...100_000), "epochs after which η is divided", source: "\(method2): 80, 140 of 200")
        case .momentum: RecipeKey(.number(0..<1), "of SGD, for all parameters", source: "\(method2): 0.95")
        case .weightDecay:
            RecipeKey(.number(0...1e6), "on weights, biases and batch norm's scale and shift; not on α", source: "\(method2): 1e-4")
        case .stepSizeRateFactor:
            RecipeKey(.number(0...1e6), of: .quantizedActivations, "η_α / η", isSingle: false, source: "\(method2): 0.01")
        case .stepSizeMinimum:
            RecipeKey(
                .number(above: 0, to: 1e6), of: .quantizedActivations, "α never falls below",
                source: "ours, as α > 0 must hold; the value is [A]'s lower clamp")
        case .stepSizeMaximum:
            RecipeKey(.number(above: 0, to: 1e6), of: .quantizedActivations, "α never rises above", standard: "none", source: "\(authors): 5")
        case .stepSizeDecay:
            RecipeKey(.number(0...1e6), of: .quantizedActivations, "weight decay on α", standard: "0", source: "\(authors): 1e-4")
        case .stepSizeGradientFactor:
            RecipeKey(
                .number(0...1e6), of: .quantizedActivations, "multiplies the gradient in α before all else", standard: "1",
                source: "\(authors): 0.01")
        case .stepSizeGradientLimit:
            RecipeKey(
                .number(above: 0, to: 1e6), of: .quantizedActivations, "the gradient in α, times its factor, is kept within ± this",
                standard: "none", source: "\(authors): 1")
        case .evaluation:
            RecipeKey(
                .oneOf(Recipe.Evaluation.self), of: .quantizedWeights,
                "which weights the test images see: the current ones' projection, or (lagged) that from before the last step",
                standard: "current", source: "lagged: \(authors)")
        case .relaxationStart:
            RecipeKey(
                .number(above: 0, to: 1e6), of: .quantizedWeights,
                "binary-relax: λ before the first epoch; it grows by the same factor each epoch", standard: "1",
                source: "[A] (its method br): 1; the method is BinaryRelax, arXiv 1801.06313")
        case .relaxationEnd:
            RecipeKey(
                .number(above: 0, to: 1e6), of: .quantizedWeights, "binary-relax: λ in the last relaxed epoch", standard: "380",
                source: "[A]: 1.02 twice an epoch for 150 epochs, 1.02^300 = 380; as an end, it fits any number of epochs")
        case .relaxationShare:
            RecipeKey(
                .number(.init(low: 0, includesLow: false, high: 1, includesHigh: false)), of: .quantizedWeights,
                "binary-relax: part of the epochs, rounded down, that runs on relaxed weights; then exact projection",
                standard: "0.75", source: "[A]: 150 of 200 epochs")
        case .cropPadding:
            RecipeKey(.integer(0...16), "augmentation: black pixels around the image before a random crop", source: "\(method2): 4")
        case .imageSize:
            RecipeKey(
                .integer(32...1024),
                "images in files (ImageNet): rows and columns after the random resized crop, and of the test images' central crop, whose short "
                    + "side is first resized to 256/224 of it", standard: "none", source: "\(method2): 224")
        case .smallestCrop:
            RecipeKey(
                .number(above: 0, to: 1), "images in files: the random resized crop takes at least this part of the area", standard: "0.08",
                isSingle: false, source: "\(method2) (standard augmentation); torchvision's RandomResizedCrop: 0.08")
        case .flip: RecipeKey(.flag, "augmentation: horizontal flip of every second image, at random", source: method2)
        }
    }
}

/// The standard values of settings that may be left out: the paper's where it has one.
public enum Standard {
    public enum PerLayer: StandardValue { public static var value: Recipe.Scaling { .perLayer } }
    public enum Exact: StandardValue { public static var value: TernaryRule { .exact } }
    public enum Current: StandardValue { public static var value: Recipe.Evaluation { .current } }
    public enum Hundred: StandardValue { public static var value: Int { 100 } }
    public enum Zero: StandardValue { public static var value: Float { 0 } }
    public enum One: StandardValue { public static var value: Float { 1 } }
    public enum RelaxationEnd: StandardValue { public static var value: Float { 380 } }
    public enum SmallestCrop: StandardValue { public static var value: Double { 0.08 } }
    public enum RelaxationShare: StandardValue { public static var value: Float { 0.75 } }
}
