// SPDX-License-Identifier: GPL-3.0-or-later
import Graph
import Quantization

private let method1 = "METHOD.md part 1", method2 = "METHOD.md part 2"
private let authors = "the authors' code ([A] in METHOD.md); not in the paper's recipe"

extension Recipe.Key {
    /// The name in files of a setting called by the field's own term: `step_size_…` is stored as `resolution_…` (the paper's
    /// word for α), `learning_rate` and `learning_rate_divisor` as `rate` and `rate_divisor`. Any other name is its own.
    public static func storedName(_ name: String) -> String {
        for (term, stored) in [("step_size_", "resolution_"), ("learning_rate", "rate")] where name.hasPrefix(term) {
            return Self(rawValue: stored + name.dropFirst(term.count))?.rawValue ?? name
        }
        return name
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
                .bitsByName,
                "bits of single layers by their names, such as { first: 8, last: 8, act1: 8 }: of "
                    + "the first and last layer's weights, "
                    + "or a layer's own; 32 is float", standard: "none", source: "ours")
        case .weightQuantizer:
            RecipeKey(
                .oneOf(Recipe.WeightRule.self), of: .quantizedWeights,
                "how weights are quantized: by projection onto δ·integers, or, to compare with, by LSQ (2 to 8 "
                    + "bits, a learned step size) or "
                    + "DoReFa (1 to 7 bits, through tanh)", standard: "projection", source: "\(method1); arXiv 1902.08153 and 1606.06160")
        case .activationQuantizer:
            RecipeKey(
                .oneOf(Recipe.ActivationRule.self), of: .quantizedActivations,
                "how activations are quantized: by the quantized ReLU, or, to compare with, by LSQ, PACT (a "
                    + "learned clip, regularised by the step "
                    + "size's decay) or DoReFa (onto 0 to 1), each with derivatives of its own", standard: "quantized-relu",
                source: "\(method1); arXiv 1902.08153, 1805.06085 and 1606.06160")
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
        case .batchSize: RecipeKey(.integer(1...65_536), "images of a mini-batch", source: "\(method2): 128")
        case .epochs: RecipeKey(.integer(1...100_000), "passes over the training images", source: "\(method2): 200")
        case .learningRate:
            RecipeKey(
                .number(above: 0, to: 1e30), "learning rate η at the start", isSingle: false,
                source: "\(method2): 0.1 float, 0.01 quantized")
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
            RecipeKey(
                .number(above: 0, to: 1e6), of: .quantizedActivations, "α never rises above", standard: "none", source: "\(authors): 5")
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
                "images in files (ImageNet): rows and columns after the random resized crop, and of the test "
                    + "images' central crop, whose short "
                    + "side is first resized to 256/224 of it", standard: "none", source: "\(method2): 224")
        case .smallestCrop:
            RecipeKey(
                .number(above: 0, to: 1), "images in files: the random resized crop takes at least this part of the area", standard: "0.08",
                isSingle: false, source: "\(method2) (standard augmentation); torchvision's RandomResizedCrop: 0.08")
        case .flip: RecipeKey(.flag, "augmentation: horizontal flip of every second image, at random", source: method2)
        case .schedule:
            RecipeKey(
                .oneOf(Recipe.Schedule.self),
                "how η falls after the warm-up: step divides it at the milestones; cosine and linear let it "
                    + "fall to 0 at the end of the last epoch, "
                    + "step by step", standard: "step", source: "\(method2): step; cosine: arXiv 1608.03983 without restarts")
        case .warmupEpochs:
            RecipeKey(
                .integer(0...100_000), "epochs in which η rises in equal steps to its full value", standard: "0",
                source: "arXiv 1706.02677, section 2.2: gradual warm-up")
        case .optimizer:
            RecipeKey(
                .oneOf(Recipe.Optimizer.self), "sgd with momentum, or adam, whose β₁ is momentum", standard: "sgd",
                source: "\(method2): sgd; Adam: arXiv 1412.6980")
        case .adamBeta2:
            RecipeKey(.number(0..<1), "Adam's β₂, of the mean squares", standard: "0.999", source: "arXiv 1412.6980: 0.999")
        case .adamEpsilon:
            RecipeKey(
                .number(above: 0, to: 1), "Adam's ε, added to the root of the mean squares", standard: "1e-08",
                source: "arXiv 1412.6980: 1e-8")
        case .labelSmoothing:
            RecipeKey(.number(0..<1), "ε: the targets are (1 − ε)·onehot + ε/classes", standard: "0", source: "arXiv 1512.00567, section 7")
        case .accumulation:
            RecipeKey(
                .integer(1...65_536),
                "mini-batches whose mean gradient makes one step, each normalised by its "
                    + "own statistics: a batch of so many times "
                    + "batch_size in the memory of one", standard: "1", source: "ours")
        case .validationImages:
            RecipeKey(
                .integer(0...1_000_000),
                "training images, drawn once for all seeds, that are set aside and "
                    + "seen in place of the test images, so that no choice "
                    + "sees these", standard: "0", source: "ours")
        case .batchNormImages:
            RecipeKey(
                .integer(0...10_000_000),
                "training images, in whole mini-batches, that the running statistics of batch norm are averaged over anew before each "
                    + "evaluation; 0 keeps the running ones",
                standard: "0", source: "arXiv 1502.03167, algorithm 2; arXiv 2105.07576, section 3")
        case .batchNormAffine:
            RecipeKey(
                .flag, "whether batch norm learns a scale and a shift; else they stay 1 and 0", standard: "true",
                source: "false: the companion paper (Yin et al., ICLR 2019), section 4")
        case .stepSizeStart:
            RecipeKey(
                .oneOf(Recipe.StepSizeStart.self), of: .quantizedActivations,
                "α at the start, from a float network: from the largest activations of the first mini-batch, or the nearest levels' "
                    + "least mean square on half-normal data; a network with random weights, which no table starts from, begins with 1",
                standard: "calibrated", source: "\(method2): calibrated; half-normal: the companion paper, section 4")
        case .shards:
            RecipeKey(
                .integer(1...4096),
                "parts of a mini-batch, a power of two, whose sums are added in the order of a balanced binary "
                    + "tree: a divisor of them, as many processes, can share a run, to the same bits",
                standard: "1", source: "ours")
        }
    }
}
