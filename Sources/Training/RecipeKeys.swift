// SPDX-License-Identifier: GPL-3.0-or-later
import Graph
import Quantization

/// What `reproduce recipes --explain` says of one key of a recipe. A key without an explanation does not compile.
public struct RecipeKey: Sendable {
    public let name: String
    public let meaning: String
    public let allowed: String
    /// The value where a recipe leaves the key out, in YAML; `nil` where it must not, "none" where there is then no such limit.
    public let standard: String?
    /// Where the key, or its value in the recipe `paper`, comes from.
    public let source: String

    fileprivate init(_ meaning: String, standard: String? = nil, source: String, name: String = "", allowed: String = "") {
        (self.name, self.meaning, self.allowed, self.standard, self.source) = (name, meaning, allowed, standard, source)
    }

    fileprivate func of(_ key: Recipe.CodingKeys) -> RecipeKey {
        RecipeKey(meaning, standard: standard, source: source, name: key.rawValue, allowed: "\(key.allowed)")
    }
}

extension Recipe {
    /// Every key, in the order in which recipes are read.
    public static var keys: [RecipeKey] { CodingKeys.allCases.map { $0.explanation.of($0) } }
}

private func choices<Choice: CaseIterable & RawRepresentable<String>>(_: Choice.Type) -> AllowedValues { .oneOf(Choice.allCases.map(\.rawValue)) }

private let method1 = "METHOD.md part 1", method2 = "METHOD.md part 2"
private let authors = "the authors' code ([A] in METHOD.md); not in the paper's recipe"

extension Recipe.CodingKeys {
    /// Finite, and wide enough for every recipe that one may mean.
    var allowed: AllowedValues {
        switch self {
        case .network: .name(NetworkGraph.knownNames)
        case .method: choices(Recipe.Method.self)
        case .weightBits, .activationBits: .bits
        case .quantizedLayers: choices(Recipe.Layers.self)
        case .scaling: choices(Recipe.Scaling.self)
        case .ternary: choices(TernaryRule.self)
        case .inputDerivative: choices(CoarseInputDerivative.self)
        case .resolutionDerivative: choices(CoarseResolutionDerivative.self)
        case .evaluation: choices(Recipe.Evaluation.self)
        case .flip: .flag
        case .batchSize: .integer(1...65_536)
        case .epochs: .integer(1...100_000)
        case .milestones: .ascending(1...100_000)
        case .lloydIterations: .integer(1...10_000)
        case .cropPadding: .integer(0...16)
        case .imageSize: .integer(32...1024)
        case .blending, .momentum: .number(0..<1)
        case .rate: .number(above: 0, to: 1e30)
        case .rateDivisor: .number(1...1e6)
        case .weightDecay, .resolutionRateFactor, .resolutionDecay, .resolutionGradientFactor: .number(0...1e6)
        case .resolutionMinimum, .resolutionMaximum, .resolutionGradientLimit, .relaxationStart, .relaxationEnd: .number(above: 0, to: 1e6)
        case .relaxationShare: .number(.init(low: 0, includesLow: false, high: 1, includesHigh: false))
        case .smallestCrop: .number(above: 0, to: 1)
        }
    }

    var mayBeLeftOut: Bool { explanation.standard != nil }

    /// Kept in f32.
    var isSingle: Bool { ![.rate, .rateDivisor, .resolutionRateFactor, .smallestCrop].contains(self) }

    fileprivate var explanation: RecipeKey {
        switch self {
        case .network: RecipeKey("the network", source: "\(method2), models")
        case .method:
            RecipeKey(
                "bcgd blends with ρ = blending; bc (BinaryConnect) is ρ = 0; binary-relax is bc that runs its first epochs on "
                    + "(λ·w_q + w_f)/(1 + λ); float quantizes nothing", source: method1)
        case .weightBits:
            RecipeKey("bits of the weights: 1 binary, 2 ternary, more uniform, 32 float", source: method1)
        case .activationBits: RecipeKey("bits of the activations; 32 is ReLU", source: method1)
        case .quantizedLayers:
            RecipeKey(
                "whose weights are quantized: all layers', all but the first and last (inner), or all but the linear ones'", source: "\(method2): all, and the variant inner; convolutions as in [A]")
        case .scaling:
            RecipeKey(
                "one scale δ for a layer's weights, or one for each output channel", standard: "per-layer",
                source: "\(method1): per layer; per channel is ours")
        case .ternary:
            RecipeKey(
                "at 2 weight bits: the exact projection, or threshold 0.7·mean|w| with a scale that divides by all n", standard: "exact", source: "\(method1); authors is [A]'s")
        case .lloydIterations:
            RecipeKey(
                "at 3 weight bits and more: Lloyd's alternation ends when it stands still, or after so many iterations",
                standard: "100", source: "\(method1); [A] does one at 4 bits")
        case .blending: RecipeKey("ρ: w_f ← (1 − ρ) w_f + ρ w_q before each step of bcgd", source: "\(method2): 1e-5")
        case .inputDerivative:
            RecipeKey("coarse derivative of the quantized ReLU in x", source: "\(method1): clipped-relu")
        case .resolutionDerivative:
            RecipeKey("coarse derivative of the quantized ReLU in α", source: "\(method1): three-valued")
        case .batchSize: RecipeKey("images a step", source: "\(method2): 128")
        case .epochs: RecipeKey("passes over the training images", source: "\(method2): 200")
        case .rate: RecipeKey("learning rate η at the start", source: "\(method2): 0.1 float, 0.01 quantized")
        case .rateDivisor: RecipeKey("η is divided by this at each milestone; 1 keeps it", source: "\(method2): 10")
        case .milestones: RecipeKey("epochs after which η is divided", source: "\(method2): 80, 140 of 200")
        case .momentum: RecipeKey("of SGD, for all parameters", source: "\(method2): 0.95")
        case .weightDecay:
            RecipeKey("on weights, biases and batch norm's scale and shift; not on α", source: "\(method2): 1e-4")
        case .resolutionRateFactor: RecipeKey("η_α / η", source: "\(method2): 0.01")
        case .resolutionMinimum: RecipeKey("α never falls below", source: "ours, as α > 0 must hold; the value is [A]'s lower clamp")
        case .resolutionMaximum: RecipeKey("α never rises above", standard: "none", source: "\(authors): 5")
        case .resolutionDecay: RecipeKey("weight decay on α", standard: "0", source: "\(authors): 1e-4")
        case .resolutionGradientFactor:
            RecipeKey("multiplies the gradient in α before all else", standard: "1", source: "\(authors): 0.01")
        case .resolutionGradientLimit:
            RecipeKey("the gradient in α, times its factor, is kept within ± this", standard: "none", source: "\(authors): 1")
        case .evaluation:
            RecipeKey(
                "which weights the test images see: the current ones' projection, or (lagged) that from before the last step", standard: "current", source: "lagged: \(authors)")
        case .relaxationStart:
            RecipeKey(
                "binary-relax: λ before the first epoch; it grows by the same factor each epoch", standard: "1",
                source: "[A] (its method br): 1; the method is BinaryRelax, arXiv 1801.06313")
        case .relaxationEnd:
            RecipeKey(
                "binary-relax: λ in the last relaxed epoch", standard: "380",
                source: "[A]: 1.02 twice an epoch for 150 epochs, 1.02^300 = 380; as an end, it fits any number of epochs")
        case .relaxationShare:
            RecipeKey(
                "binary-relax: part of the epochs, rounded down, that runs on relaxed weights; then exact projection",
                standard: "0.75", source: "[A]: 150 of 200 epochs")
        case .cropPadding: RecipeKey("augmentation: black pixels around the image before a random crop", source: "\(method2): 4")
        case .imageSize:
            RecipeKey(
                "images in files (ImageNet): rows and columns after the random resized crop, and of the test images' central crop, whose short side is first resized to 256/224 of it", standard: "none", source: "\(method2): 224")
        case .smallestCrop:
            RecipeKey(
                "images in files: the random resized crop takes at least this part of the area", standard: "0.08",
                source: "\(method2) (standard augmentation); torchvision's RandomResizedCrop: 0.08")
        case .flip: RecipeKey("augmentation: horizontal flip of every second image, at random", source: method2)
        }
    }
}
