// SPDX-License-Identifier: GPL-3.0-or-later
import Compute

/// What a forward pass is for.
public enum Mode: Sendable {
    /// Batch statistics normalise; running statistics are updated; what the backward pass needs is kept.
    case training
    /// As training, but each quantized ReLU first sets its step size from its own input, and running statistics
    /// stay: layer after layer, the earlier ones already quantized (METHOD.md part 2).
    case calibration
    /// Running statistics normalise; nothing is changed.
    case evaluation
}

/// Where a layer's memory and arithmetic come from: the engine, the largest batch to plan for on this rank, and how sums over it are made.
public struct ExecutionContext {
    public let engine: Engine
    public let batch: Int
    public let shards: Shards

    public init(engine: Engine, batch: Int) {
        precondition(batch >= 1, "a batch has an image")
        (self.engine, self.batch, shards) = (engine, batch, Shards(batch: batch))
    }

    public init(engine: Engine, shards: Shards) { (self.engine, batch, self.shards) = (engine, shards.places.count, shards) }

    var threads: Int32 { Int32(engine.threads) }
}
