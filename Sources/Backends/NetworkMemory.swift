// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph
import Parallelism

/// The memory that a network plans, measured at networks for one image and for two: it is linear in the batch.
public struct NetworkMemory: Equatable, Sendable {
    /// Bytes of parameters and of each image.
    public let fixed, perImage: Int

    /// Both are 0 with a C library that keeps no account.
    /// - Parameters:
    ///   - graph: of the network.
    ///   - name: of the network, for the message: its weights are asked for before it is made.
    ///   - precision: of its passes.
    ///   - relaxesWeights: as `Network.init` takes it.
    ///   - threads: 1 or more that compute.
    /// - Throws: `MemoryError` when not even the weights would fit, `GraphError` for a graph that the precision does not know.
    public init(_ graph: NetworkGraph, name: String, precision: Precision, relaxesWeights: Bool = false, threads: Int) throws {
        let weights = graph.parameters.reduce(0) { $0 + $1.count }
        try AvailableMemory.expect(Self.bytesAWeight * weights, of: .now(), for: "\(name) with its \(weights) weights")
        let engine = try Engine(threads: threads)
        func bytes(_ batch: Int) throws -> Int {
            let before = ck_allocated_bytes()
            let network = try Network(
                graph, precision: precision, relaxesWeights: relaxesWeights, in: ExecutionContext(engine: engine, batch: batch))
            return withExtendedLifetime(network) { max(0, ck_allocated_bytes() - before) }
        }
        let (one, two) = (try bytes(1), try bytes(2))
        perImage = max(0, two - one)
        fixed = max(0, one - perImage)
    }

    /// Bytes for a batch, with what the primitives plan at their first call, and what else the caller holds for each image.
    public func bytes(batch: Int, besides perImage: Int = 0) -> Int {
        let images = Double(batch) * (1.1 * Double(self.perImage) + Double(perImage))
        return Int(min(3 * Double(fixed) + images, 1e18))
    }

    // Measured as the peak memory of training steps in f32 over what the networks allocate before: ResNet-20 and VGG-11, whose
    // primitives keep each weight and its gradient once more in their own layout.
    private static let bytesAWeight = 36

    /// - Parameters:
    ///   - batch: images of it.
    ///   - perImage: bytes that the caller holds for each image of the batch besides.
    ///   - use: names the network in the message.
    ///   - available: what the process may still take; nil checks nothing.
    /// - Throws: `MemoryError` when a batch would not fit.
    public func expectRoom(batch: Int, besides perImage: Int = 0, for use: String, available: AvailableMemory? = .now()) throws {
        try AvailableMemory.expect(bytes(batch: batch, besides: perImage), of: available, for: "\(use) with batches of \(batch) images")
    }
}
