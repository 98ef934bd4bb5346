// SPDX-License-Identifier: GPL-3.0-or-later
import Graph
import Quantization

/// Everything that decides what a training run computes, apart from its data and its seed (METHOD.md part 2).
///
/// Written in YAML with the key names below; a recipe file holds only what differs from its base. A setting stands here, as a
/// property and a key, and in `RecipeKeys.swift`: what is known of the key (`Documentation/AddingASetting.md`).
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
    /// By what the weights' bits quantize them: a projection (`WeightProjection`), or a method to compare with.
    public enum WeightRule: String, Codable, CaseIterable, Sendable { case projection, lsq, dorefa }
    /// By what the activations' bits quantize them.
    public enum ActivationRule: String, Codable, CaseIterable, Sendable {
        case quantizedReLU = "quantized-relu"
        case lsq, pact, dorefa
    }
    /// Which projection of the weights the test images see: that of the `current` ones, or of those before the last step.
    public enum Evaluation: String, Codable, CaseIterable, Sendable { case current, lagged }
    /// How η falls after the warm-up: `step` at the milestones, `cosine` and `linear` to 0 at the end of the last epoch.
    public enum Schedule: String, Codable, CaseIterable, Sendable { case step, cosine, linear }
    /// What turns a gradient into a step: SGD with momentum, or Adam.
    public enum Optimizer: String, Codable, CaseIterable, Sendable { case sgd, adam }
    /// Where α is at the start of training: set by the first mini-batch, or what fits the half-normal distribution best
    /// (`halfNormalStepSize`).
    public enum StepSizeStart: String, Codable, CaseIterable, Sendable {
        case calibrated
        case halfNormal = "half-normal"
    }

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
    @Optionally<Standard.Projection> public var weightQuantizer
    @Optionally<Standard.QuantizedReLU> public var activationQuantizer
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
    @Optionally<Standard.Step> public var schedule
    /// η rises in equal steps to its full value in the last step of the warm-up, which these epochs last.
    @Optionally<Standard.None> public var warmupEpochs
    @Optionally<Standard.SGD> public var optimizer
    /// Adam's β₂ and ε; its β₁ is `momentum`.
    @Optionally<Standard.Beta2> public var adamBeta2
    @Optionally<Standard.Epsilon> public var adamEpsilon
    /// ε: the targets are (1 − ε)·onehot + ε/classes.
    @Optionally<Standard.Zero> public var labelSmoothing
    /// Mini-batches whose mean gradient makes one step.
    @Optionally<Standard.Single> public var accumulation
    /// Training images set aside; runs then see them in place of the test images.
    @Optionally<Standard.None> public var validationImages
    /// Training images that the running statistics are averaged over anew before each evaluation; 0 keeps the running ones.
    @Optionally<Standard.None> public var batchNormImages
    /// Whether batch norm learns a scale and a shift; else they stay 1 and 0.
    @Optionally<Standard.True> public var batchNormAffine
    @Optionally<Standard.Calibrated> public var stepSizeStart
    /// Parts of a mini-batch whose sums are added in the order of a tree (`Shards`); as many processes can share a run.
    @Optionally<Standard.Single> public var shards

    /// A setting by its name in files, in the order in which recipes are read.
    public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case network, method
        case weightBits = "weight_bits"
        case activationBits = "activation_bits"
        case quantizedLayers = "quantized_layers"
        case layerBits = "layer_bits"
        case weightQuantizer = "weight_quantizer"
        case activationQuantizer = "activation_quantizer"
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
        case schedule
        case warmupEpochs = "warmup_epochs"
        case optimizer
        case adamBeta2 = "adam_beta2"
        case adamEpsilon = "adam_epsilon"
        case labelSmoothing = "label_smoothing"
        case accumulation
        case validationImages = "validation_images"
        case batchNormImages = "batch_norm_images"
        case batchNormAffine = "batch_norm_affine"
        case stepSizeStart = "step_size_start"
        case shards
    }
    public typealias Key = CodingKeys
}

/// The standard values of settings that may be left out: the paper's where it has one.
public enum Standard {
    public enum Projection: StandardValue { public static var value: Recipe.WeightRule { .projection } }
    public enum QuantizedReLU: StandardValue { public static var value: Recipe.ActivationRule { .quantizedReLU } }
    public enum PerLayer: StandardValue { public static var value: Recipe.Scaling { .perLayer } }
    public enum Exact: StandardValue { public static var value: TernaryRule { .exact } }
    public enum Current: StandardValue { public static var value: Recipe.Evaluation { .current } }
    public enum Hundred: StandardValue { public static var value: Int { 100 } }
    public enum Zero: StandardValue { public static var value: Float { 0 } }
    public enum One: StandardValue { public static var value: Float { 1 } }
    public enum RelaxationEnd: StandardValue { public static var value: Float { 380 } }
    public enum None: StandardValue { public static var value: Int { 0 } }
    public enum Single: StandardValue { public static var value: Int { 1 } }
    public enum True: StandardValue { public static var value: Bool { true } }
    public enum Step: StandardValue { public static var value: Recipe.Schedule { .step } }
    public enum SGD: StandardValue { public static var value: Recipe.Optimizer { .sgd } }
    public enum Beta2: StandardValue { public static var value: Float { 0.999 } }
    public enum Epsilon: StandardValue { public static var value: Float { 1e-8 } }
    public enum Calibrated: StandardValue { public static var value: Recipe.StepSizeStart { .calibrated } }
    public enum SmallestCrop: StandardValue { public static var value: Double { 0.08 } }
    public enum RelaxationShare: StandardValue { public static var value: Float { 0.75 } }
}
