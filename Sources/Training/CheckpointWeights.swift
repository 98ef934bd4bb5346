// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Foundation

extension Checkpoint {
    /// What optimizers keep beside a parameter.
    private static let optimizerStates = [".momentum", ".second_moment"]

    /// Beside the weights.
    var holdsOptimizerState: Bool { file.metadata["holds"] != "weights" }

    /// The same file without what the optimizer keeps, half of it: an unfinished run cannot go on from it, but it is evaluated, exported
    /// and started from as before.
    /// - Returns: a checkpoint as it lies in a file.
    /// - Throws: `SafetensorsError`, as whatever is encoded; not for what was read.
    public func withoutOptimizerState() throws -> Data {
        var weights = SafetensorsFile(metadata: file.metadata, tensors: file.tensors)
        for name in file.tensors.keys {
            guard let state = Self.optimizerStates.first(where: name.hasSuffix) else { continue }
            if file.tensors[String(name.dropLast(state.count))] != nil { weights.tensors[name] = nil }
        }
        weights.metadata["holds"] = "weights"
        weights.metadata["checksum"] = Self.checksum(weights)
        return try weights.encoded()
    }

    /// - Throws: `CheckpointError` when steps are left, and it lacks what they go on with.
    func expectOptimizerState(for run: RunDescription) throws {
        guard holdsOptimizerState || state.epoch >= run.recipe.epochs else {
            throw CheckpointError(
                description: "\(path) holds weights alone, without the momentum that training goes on with; use the checkpoint that it was "
                    + "exported from")
        }
    }
}
