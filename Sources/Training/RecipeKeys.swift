// SPDX-License-Identifier: GPL-3.0-or-later
import Networks
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

    fileprivate init(_ meaning: String, _ allowed: String, standard: String? = nil, source: String, name: String = "") {
        (self.name, self.meaning, self.allowed, self.standard, self.source) = (name, meaning, allowed, standard, source)
    }

    fileprivate func named(_ name: String) -> RecipeKey {
        RecipeKey(meaning, allowed, standard: standard, source: source, name: name)
    }
}

extension Recipe {
    /// Every key, in the order in which recipes are read.
    public static var keys: [RecipeKey] { CodingKeys.allCases.map { $0.explanation.named($0.rawValue) } }
}

private func choices<Choice: CaseIterable & RawRepresentable<String>>(_: Choice.Type) -> String {
    Choice.allCases.map(\.rawValue).joined(separator: " | ")
}

private let method1 = "METHOD.md part 1", method2 = "METHOD.md part 2"
private let authors = "the authors' code ([A] in METHOD.md); not in the paper's recipe"

extension Recipe.CodingKeys {
    fileprivate var explanation: RecipeKey {
        switch self {
        case .network: RecipeKey("the network", Architecture.allowed, source: "\(method2), models")
        case .method:
            RecipeKey(
                "bcgd blends with ρ = blending; bc (BinaryConnect) is ρ = 0; binary-relax is bc that runs its first epochs on "
                    + "(λ·w_q + w_f)/(1 + λ); float quantizes nothing",
                choices(Recipe.Method.self), source: method1)
        case .weightBits:
            RecipeKey("bits of the weights: 1 binary, 2 ternary, more uniform, 32 float", "1 to 8, or 32", source: method1)
        case .activationBits: RecipeKey("bits of the activations; 32 is ReLU", "1 to 8, or 32", source: method1)
        case .quantizedLayers:
            RecipeKey(
                "whose weights are quantized: all layers', all but the first and last (inner), or all but the linear ones'",
                choices(Recipe.Layers.self), source: "\(method2): all, and the variant inner; convolutions as in [A]")
        case .scaling:
            RecipeKey(
                "one scale δ for a layer's weights, or one for each output channel", choices(Recipe.Scaling.self), standard: "per-layer",
                source: "\(method1): per layer; per channel is ours")
        case .ternary:
            RecipeKey(
                "at 2 weight bits: the exact projection, or threshold 0.7·mean|w| with a scale that divides by all n",
                choices(TernaryRule.self), standard: "exact", source: "\(method1); authors is [A]'s")
        case .lloydIterations:
            RecipeKey(
                "at 3 weight bits and more: Lloyd's alternation ends when it stands still, or after so many iterations", "at least 1",
                standard: "100", source: "\(method1); [A] does one at 4 bits")
        case .blending: RecipeKey("ρ: w_f ← (1 − ρ) w_f + ρ w_q before each step of bcgd", "at least 0, below 1", source: "\(method2): 1e-5")
        case .inputDerivative:
            RecipeKey("coarse derivative of the quantized ReLU in x", choices(CoarseInputDerivative.self), source: "\(method1): clipped-relu")
        case .resolutionDerivative:
            RecipeKey("coarse derivative of the quantized ReLU in α", choices(CoarseResolutionDerivative.self), source: "\(method1): three-valued")
        case .batchSize: RecipeKey("images a step", "at least 1", source: "\(method2): 128")
        case .epochs: RecipeKey("passes over the training images", "at least 1", source: "\(method2): 200")
        case .rate: RecipeKey("learning rate η at the start", "above 0", source: "\(method2): 0.1 float, 0.01 quantized")
        case .rateDivisor: RecipeKey("η is divided by this at each milestone; 1 keeps it", "at least 1", source: "\(method2): 10")
        case .milestones: RecipeKey("epochs after which η is divided", "ascending, from 1", source: "\(method2): 80, 140 of 200")
        case .momentum: RecipeKey("of SGD, for all parameters", "at least 0, below 1", source: "\(method2): 0.95")
        case .weightDecay:
            RecipeKey("on weights, biases and batch norm's scale and shift; not on α", "at least 0", source: "\(method2): 1e-4")
        case .resolutionRateFactor: RecipeKey("η_α / η", "at least 0", source: "\(method2): 0.01")
        case .resolutionMinimum: RecipeKey("α never falls below", "above 0", source: "ours, as α > 0 must hold; the value is [A]'s lower clamp")
        case .resolutionMaximum: RecipeKey("α never rises above", "at least resolution_minimum", standard: "none", source: "\(authors): 5")
        case .resolutionDecay: RecipeKey("weight decay on α", "at least 0", standard: "0", source: "\(authors): 1e-4")
        case .resolutionGradientFactor:
            RecipeKey("multiplies the gradient in α before all else", "at least 0", standard: "1", source: "\(authors): 0.01")
        case .resolutionGradientLimit:
            RecipeKey("the gradient in α, times its factor, is kept within ± this", "above 0", standard: "none", source: "\(authors): 1")
        case .evaluation:
            RecipeKey(
                "which weights the test images see: the current ones' projection, or (lagged) that from before the last step",
                choices(Recipe.Evaluation.self), standard: "current", source: "lagged: \(authors)")
        case .relaxationStart:
            RecipeKey(
                "binary-relax: λ before the first epoch; it grows by the same factor each epoch", "above 0", standard: "1",
                source: "[A] (its method br): 1; the method is BinaryRelax, arXiv 1801.06313")
        case .relaxationEnd:
            RecipeKey(
                "binary-relax: λ in the last relaxed epoch", "at least relaxation_start", standard: "380",
                source: "[A]: 1.02 twice an epoch for 150 epochs, 1.02^300 = 380; as an end, it fits any number of epochs")
        case .relaxationShare:
            RecipeKey(
                "binary-relax: part of the epochs, rounded down, that runs on relaxed weights; then exact projection", "above 0, below 1",
                standard: "0.75", source: "[A]: 150 of 200 epochs")
        case .cropPadding: RecipeKey("augmentation: black pixels around the image before a random crop", "0 to 16", source: "\(method2): 4")
        case .imageSize:
            RecipeKey(
                "images in files (ImageNet): rows and columns after the random resized crop, and of the test images' central crop, whose short side is first resized to 256/224 of it",
                "32 to 1024", standard: "none", source: "\(method2): 224")
        case .smallestCrop:
            RecipeKey(
                "images in files: the random resized crop takes at least this part of the area", "above 0, at most 1", standard: "0.08",
                source: "\(method2) (standard augmentation); torchvision's RandomResizedCrop: 0.08")
        case .flip: RecipeKey("augmentation: horizontal flip of every second image, at random", "true | false", source: method2)
        }
    }
}
