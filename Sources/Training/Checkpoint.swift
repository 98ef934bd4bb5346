// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Files
import Foundation
import Networks

/// A checkpoint that cannot be used, and why.
public struct CheckpointError: Error, CustomStringConvertible, Equatable {
    public let description: String
    init(description: String) { self.description = oneLine(description) }
}

/// A training run on disk: a safetensors file with every parameter (`NAME`), its momentum (`NAME.momentum`) and the
/// running statistics, all f32, and in the metadata the format and its version, the run's description, the training
/// state, the classes' names, and a checksum of all of it. Quantized weights are the projection of the float ones and not
/// stored, unless the run's evaluation lags behind them: then `NAME.codes` (i8) and `NAME.scales`, one a slice, are the
/// projection it uses.
public struct Checkpoint {
    static let format = "bcgd-checkpoint"
    static let version = "1"

    public let path: String
    public let state: TrainingState
    /// The classes' names in the order of the scores; `nil` in checkpoints from before they were kept.
    public let classes: [String]?
    let run: String
    private let file: SafetensorsFile

    /// Reads and verifies.
    /// - Throws: `FileError`, `SafetensorsError` or `CheckpointError` when the file is missing, damaged or of another version.
    public init(path: String) throws {
        let file = try SafetensorsFile(path: path)
        func entry(_ key: String) throws -> String {
            guard let value = file.metadata[key] else {
                throw CheckpointError(description: "\(path) is no checkpoint of ours: its metadata lack \(key)")
            }
            return value
        }
        guard try entry("format") == Self.format else {
            throw CheckpointError(description: "\(path) is no checkpoint of ours: its format is \(try entry("format"))")
        }
        guard try entry("version") == Self.version else {
            throw CheckpointError(
                description: "\(path) has checkpoint version \(try entry("version")), this program reads version "
                    + "\(Self.version); go on with the program that wrote it, or start again in another --out")
        }
        guard try entry("checksum") == Self.checksum(file) else {
            throw CheckpointError(description: "\(path) is damaged: its checksum does not match; delete it to start the run again")
        }
        guard let state = try? JSONDecoder().decode(TrainingState.self, from: Data(try entry("state").utf8)) else {
            throw CheckpointError(description: "\(path) is damaged: its training state cannot be read")
        }
        classes = file.metadata["classes"]?.components(separatedBy: "\n")
        (self.path, self.file, self.state, run) = (path, file, state, try entry("run"))
    }

    /// The run that wrote it.
    /// - Throws: `CheckpointError` when its recipe has keys or values of another version, or impossible ones.
    public func description() throws -> RunDescription {
        guard let description = try? JSONDecoder().decode(RunDescription.self, from: Data(run.utf8)) else {
            throw CheckpointError(description: "\(path) describes its run in the words of another version: \(run)")
        }
        do { try description.recipe.validate(knownNetwork: false) } catch let error as RecipeError {
            throw CheckpointError(description: "\(path): the run's recipe is impossible: \(error)")
        }
        return description
    }

    /// - Parameter origin: where the names come from, for the message.
    /// - Throws: `CheckpointError` when the run's classes are known, and these are others or in another order.
    public func expectClasses(_ names: [String], of origin: String) throws {
        if let classes {
            guard names != classes else { return }
            let place = zip(names, classes).enumerated().first { $1.0 != $1.1 }
            let first = place.map { "class \($0.offset + 1) is \($0.element.1), not \($0.element.0)" }
                ?? "there are \(classes.count), not \(names.count)"
            throw CheckpointError(description: "\(origin) has other classes than \(path), or another order: of the checkpoint's, \(first)")
        }
        // Older checkpoints hold a digest of the names alone.
        guard let count = state.data.flatMap({ Int($0.prefix { $0.isNumber }) }) else { return }
        guard state.data != TrainingState.data(images: count, classes: names) else { return }
        throw CheckpointError(description: "\(origin) has other classes than \(path) was trained on, or another order (\(state.data ?? ""))")
    }

    /// Writes atomically: a crash leaves the former checkpoint.
    static func save(_ network: Network, _ state: TrainingState, _ run: RunDescription, classes: [String], to path: String) throws {
        var tensors: [String: StoredTensor] = [:]
        for (name, tensor) in named(network, momentum: true) {
            tensors[name] = StoredTensor(shape: tensor.shape, tensor.values)
        }
        if run.recipe.evaluation == .lagged {
            for weight in network.weights {
                guard let codes = weight.codes else { continue }
                let scales = UnsafeBufferPointer(start: weight.scales, count: weight.slices)
                tensors[weight.name + ".codes"] = StoredTensor(
                    shape: weight.value.shape, Array(UnsafeBufferPointer(start: codes, count: weight.value.count)))
                tensors[weight.name + ".scales"] = StoredTensor(shape: [weight.slices], Array(scales))
            }
        }
        let stateText = String(decoding: try JSONEncoder().encode(state), as: UTF8.self)
        var file = SafetensorsFile(
            metadata: [
                "format": format, "version": version, "run": run.canonical, "state": stateText, "classes": classes.joined(separator: "\n"),
            ],
            tensors: tensors)
        file.metadata["checksum"] = checksum(file)
        try file.write(to: path)
    }

    /// Copies everything into the network of the same run.
    /// - Throws: `CheckpointError` when the checkpoint is another run's; the message says in what they differ.
    func restore(_ network: Network, run: RunDescription) throws {
        let differences = run.differences(from: self.run)
        guard differences.isEmpty else {
            throw CheckpointError(
                description: "\(path) belongs to a run with \(differences.joined(separator: "; ")); use another --out or the old recipe")
        }
        try copy(Self.named(network, momentum: true))
        guard run.recipe.evaluation == .lagged else { return }
        for weight in network.weights where weight.codes != nil {
            let codes = try file.values(Int8.self, named: weight.name + ".codes", shape: weight.value.shape)
            let scales = try file.floats(named: weight.name + ".scales", shape: [weight.slices])
            let largest = run.recipe.weightBits == 1 ? 1 : 1 << (run.recipe.weightBits - 1) - 1
            guard scales.allSatisfy({ $0.isFinite && $0 >= 0 }), codes.allSatisfy({ abs(Int($0)) <= largest }) else {
                throw CheckpointError(description: "\(path): the projection of \(weight.name) is none of \(run.recipe.weightBits) bits")
            }
            weight.restoreProjection(codes: codes, scales: scales)
        }
    }

    /// The network as the run's evaluation sees it: its values and statistics, quantized weights projected. Momentum and
    /// training state are left out, and the precision may be another than the run's.
    /// - Parameter input: the shape of the images that the run was trained on.
    /// - Throws: `CheckpointError` or `SafetensorsError` when the checkpoint does not fit, or is of a run that diverged.
    public func evaluationNetwork(input: FeatureShape, classes: Int, precision: Precision, in workshop: Workshop) throws -> Network {
        let run = try description()
        guard let architecture = Architecture(name: run.recipe.network) else {
            throw RecipeError("network must be one of \(Architecture.allowed), not \(run.recipe.network)")
        }
        if let held = file.tensors["fc.bias"]?.shape.first, held != classes {
            throw CheckpointError(description: "\(path) holds a network of \(held) classes, but \(classes) are given")
        }
        let network = try architecture.network(
            input: input, classes: classes, activation: try run.recipe.activation(), weights: try run.recipe.weightProjection(),
            precision: precision, in: workshop)
        let descent = try CoarseGradientDescent(network, recipe: run.recipe, threads: workshop.engine.threads)
        try restore(network, run: run)
        if run.recipe.evaluation == .current { descent.project() }
        descent.useQuantizedWeights()
        return network
    }

    /// Copies the values and running statistics of a float run into a network that may have more parameters
    /// (the resolutions); momentum is left at zero.
    func warmStart(_ network: Network) throws {
        try copy(Self.named(network, momentum: false).filter { file.tensors[$0.name] != nil || !$0.name.hasSuffix(".resolution") })
    }

    /// The description of the run that wrote it has this digest.
    func isOf(_ run: RunDescription) -> Bool { self.run == run.canonical }

    private func copy(_ tensors: [(name: String, tensor: Tensor)]) throws {
        for (name, tensor) in tensors {
            let values = try file.floats(named: name, shape: tensor.shape)
            if let fault = Network.impossibleValue(values, named: name) {
                throw CheckpointError(description: "\(path) holds a run that diverged, so it has no accuracy: \(fault); try a smaller rate")
            }
            tensor.set(values)
        }
    }

    static func named(_ network: Network, momentum: Bool) -> [(name: String, tensor: Tensor)] {
        network.parameters.map { ($0.name, $0.value) } + network.statistics.map { ($0.name, $0.tensor) }
            + (momentum ? network.parameters.map { ($0.name + ".momentum", $0.momentum) } : [])
    }

    /// The first parameter or running statistic that holds a number which is not finite. Integer levels hide it from the loss.
    static func nameOfNotFinite(_ network: Network) -> String? {
        named(network, momentum: false).first { !$0.tensor.values.allSatisfy(\.isFinite) }?.name
    }

    package static func checksum(_ file: SafetensorsFile) -> String {
        var parts = file.metadata.filter { $0.key != "checksum" }.sorted { $0.key < $1.key }.map { $0.key + "=" + $0.value }
        parts += file.tensors.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.shape) \(crc32Hex($0.value.data))" }
        return crc32Hex(Data(parts.joined(separator: "\n").utf8))
    }
}
