// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Graph

/// What a backend makes of a graph: its forward and its backward pass for batches up to a size.
protocol Executable: AnyObject {
    /// Images `[N, H, W, C]` to scores `[N, 1, 1, classes]`, which the next call overwrites.
    func forward(_ images: Tensor, batch: Int, mode: Mode) throws -> Tensor
    /// Overwrites the gradients of all parameters, from the gradient in the scores of the last forward pass.
    func backward(_ scoreGradient: Tensor, batch: Int) throws
}

/// The arithmetic of a training step.
public enum Precision: String, Codable, CaseIterable, Sendable {
    /// f32 throughout: the readable layers (`Reference`).
    case f32
    /// Low precision with wide sums (`LowPrecision`): exact integers forward where weights and activations are quantized, bf16
    /// elsewhere. Correct on every processor; made for AVX-512 VNNI and BF16, with kernels for AVX2, and slow without either.
    case mixed
    /// As `mixed`, with the gradients of exact integers in integers of 16 bits and every other sum in a fixed order: a network whose
    /// convolutions but the first all read levels with integer weights learns the same bits on every processor with fused multiply-adds
    /// and for any number of threads (other networks: as `mixed`).
    case s16

    /// The fastest one on this processor for quantized networks of many channels (Performance.md; LeNet-5 is faster in f32).
    public static var best: Precision {
        switch QuantizedConvolution.Path.best {
        case .portable: .f32
        case .avx2: .s16
        case .avx512: .mixed
        }
    }

    /// Those that this processor has kernels of its own for.
    public static var made: [Precision] { QuantizedConvolution.Path.best == .portable ? [.f32] : allCases }

    /// As a sentence names the choice.
    public static var choice: String {
        let names = allCases.map(\.rawValue)
        return names.dropLast().joined(separator: ", ") + " or " + (names.last ?? "")
    }
}

/// A graph with its parameters, compiled for one arithmetic: from images `[N, H, W, C]` to class scores `[N, 1, 1, classes]`.
public final class Network {
    public let graph: NetworkGraph
    /// Values, gradients and momenta; running statistics.
    public let tensors: Parameters
    public let precision: Precision
    /// The units' maps, of a network in mixed precision.
    package let lowPrecision: LowPrecision?
    private let executable: any Executable
    private let threads: Int
    private let shards: Shards

    /// - Parameters:
    ///   - graph: what is computed.
    ///   - precision: of both passes.
    ///   - relaxesWeights: the passes may multiply by weights between quantized and float ones (BinaryRelax), so mixed precision has no
    ///     integer passes.
    ///   - keepsSecondMoments: there is room for Adam's mean squares.
    ///   - images: how those that evaluation sees were made of bytes, from whose exact sums mixed precision then computes the first
    ///     layer; `nil` for others.
    ///   - context: threads, engine and memory that the network computes with.
    /// - Throws: `GraphError` for a graph that the precision does not know.
    public init(
        _ graph: NetworkGraph, precision: Precision = .f32, relaxesWeights: Bool = false, keepsSecondMoments: Bool = false,
        images: ByteImages? = nil, in context: ExecutionContext
    ) throws {
        (self.graph, self.precision, threads, shards) = (graph, precision, context.engine.threads, context.shards)
        switch precision {
        case .f32:
            tensors = Parameters(graph, keepsSecondMoments: keepsSecondMoments, ranks: context.shards.collective.ranks)
            (executable, lowPrecision) = (try Reference(graph, tensors, in: context), nil)
        case .mixed, .s16:
            let plan = try LowPrecisionPlan(graph, relaxesWeights: relaxesWeights, gradients: precision == .s16 ? .s16 : .bf16)
            tensors = Parameters(
                graph, keepsSecondMoments: keepsSecondMoments, ranks: context.shards.collective.ranks,
                keepsIntegerWeightsOnly: plan.keepsIntegerWeightsOnly)
            let compiled = LowPrecision(plan, tensors, images: images, in: context)
            (executable, lowPrecision) = (compiled, compiled)
        }
    }

    public var input: FeatureShape { graph.input }
    public var classes: Int { graph.classes }
    public var multiplyAdds: Int { graph.multiplyAdds }
    public var parameters: [Parameter] { tensors.all }
    public var statistics: [NamedTensor] { tensors.statistics }
    /// Of step sizes that their quantizers fix (DoReFa): nobody's values take their place.
    package var namesOfFixed: Set<String> { Set(parameters.filter(\.spec.isFixed).map(\.name)) }
    /// The weights of convolutions and linear layers, from the first layer to the last.
    public var weights: [Parameter] { tensors.weights }

    /// - Parameters:
    ///   - images: those of the mini-batch that are this rank's.
    ///   - batch: images of the mini-batch, on all ranks.
    ///   - mode: what the pass is for.
    /// - Returns: the scores of this rank's images.
    public func forward(_ images: Tensor, batch: Int, mode: Mode) throws -> Tensor {
        shards.begin(images: batch)
        if mode == .calibration { tensors.calibrateStepSizes(threads: threads) }
        return try executable.forward(images, batch: shards.ownImages, mode: mode)
    }

    /// Fills the gradients of all parameters, over all ranks, from the gradient in the scores.
    public func backward(_ scoreGradient: Tensor, batch: Int) throws {
        shards.begin(images: batch)
        try executable.backward(scoreGradient, batch: shards.ownImages)
        try tensors.sumGradients(shards)
    }

    /// Initial values from the seed, one stream a parameter (`ParameterSpec.Initial`).
    public func initialize(seed: UInt64) { tensors.initialize(seed: seed) }
}
