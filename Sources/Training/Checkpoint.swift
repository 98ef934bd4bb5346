// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Collectives
import Compute
import Files
import Foundation
import Graph

/// A checkpoint that cannot be used, and why.
public struct CheckpointError: Error, CustomStringConvertible, Equatable {
    public let description: String
    package init(description: String) { self.description = oneLine(description) }
}

/// A training run on disk: a safetensors file with every parameter (`NAME`), its momentum (`NAME.momentum`; with Adam also
/// `NAME.second_moment`) and the running statistics, all f32, and in the metadata the format and its version, the run's description, the
/// network's graph, the training state, the classes' names, and a checksum of all of it; `holds` is `weights` where momentum was left out.
/// Quantized weights are the projection of the float ones and not stored, unless the run's evaluation lags behind them: then `NAME.codes`
/// (i8) and `NAME.scales`, one a slice, are the projection it uses.
public struct Checkpoint {
    static let format = "bcgd-checkpoint"
    static let version = "1"

    public let path: String
    public let state: TrainingState
    /// The classes' names in the order of the scores; `nil` in checkpoints from before they were kept.
    public let classes: [String]?
    let run: String
    let file: SafetensorsFile

    /// Reads and verifies.
    /// - Parameters:
    ///   - path: of the file.
    ///   - collective: whose first rank reads the file, for all.
    /// - Throws: `FileError`, `SafetensorsError` or `CheckpointError` when the file is missing, damaged or of another version.
    public init(path: String, for collective: any Collective = Alone()) throws {
        let file =
            collective.ranks == 1
            ? try SafetensorsFile(path: path) : try SafetensorsFile(bytes: try collective.fromFirst { try readFile(path) }, path: path)
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

    /// Its weights came from elsewhere, and no step was made since.
    public var isAsGiven: Bool { state.epoch == 0 && state.batch == 0 && state.seconds == 0 }

    /// - Parameters:
    ///   - names: in the order of the scores.
    ///   - origin: where the names come from, for the message.
    /// - Throws: `CheckpointError` when the run's classes are known, and these are others or in another order.
    public func expectClasses(_ names: [String], of origin: String) throws {
        if let classes {
            guard names != classes else { return }
            let place = zip(names, classes).enumerated().first { $1.0 != $1.1 }
            let first =
                place.map { "class \($0.offset + 1) is \($0.element.1), not \($0.element.0)" }
                ?? "there are \(classes.count), not \(names.count)"
            throw CheckpointError(description: "\(origin) has other classes than \(path), or another order: of the checkpoint's, \(first)")
        }
        // Older checkpoints hold a digest of the names alone.
        guard let count = state.data.flatMap({ Int($0.prefix { $0.isNumber }) }) else { return }
        guard !TrainingState.isSame(TrainingState.data(images: count, classes: names), state.data ?? "") else { return }
        throw CheckpointError(
            description: "\(origin) has other classes than \(path) was trained on, or another order (\(state.data ?? ""))")
    }

    /// The network: as it was written, or, in checkpoints from before graphs were kept, the one of the run's recipe.
    /// - Parameters:
    ///   - input: the shape of the images that are there.
    ///   - classes: how many there are.
    ///   - own: quantizers that are not this suite's.
    /// - Throws: `CheckpointError` when the network takes other images, or has another number of classes.
    public func graph(input: FeatureShape, classes: Int, own: OwnQuantizers = OwnQuantizers()) throws -> NetworkGraph {
        let stored = try storedGraph(own)
        if let held = stored?.classes ?? file.tensors["fc.bias"]?.shape.first, held != classes {
            throw CheckpointError(description: "\(path) holds a network of \(held) classes, but \(classes) are given")
        }
        guard let graph = stored else { return try description().recipe.graph(input: input, classes: classes) }
        guard graph.input == input else {
            let (a, b) = (graph.input, input)
            throw CheckpointError(
                description:
                    "\(path) holds a network for images of \(a.height)×\(a.width)×\(a.channels), not of "
                    + "\(b.height)×\(b.width)×\(b.channels)"
            )
        }
        for parameter in graph.parameters where file.tensors[parameter.name]?.shape != parameter.shape {
            throw CheckpointError(
                description: "\(path) lacks the tensor \(parameter.name) \(parameter.shape) of its network: it is damaged; delete it to "
                    + "start the run again")
        }
        return graph
    }

    private func storedGraph(_ own: OwnQuantizers) throws -> NetworkGraph? {
        guard let text = file.metadata["graph"] else { return nil }
        let decoder = JSONDecoder()
        if let key = OwnQuantizers.key { decoder.userInfo[key] = own }
        do {
            let graph = try decoder.decode(NetworkGraph.self, from: Data(text.utf8))
            try graph.expectDistinctTensors()
            return graph
        } catch {
            throw CheckpointError(description: "\(path) holds no network that this program knows: \(error)")
        }
    }

    /// Writes atomically: a crash leaves the former checkpoint.
    static func save(_ network: Network, _ state: TrainingState, _ run: RunDescription, classes: [String], to path: String) throws {
        var tensors: [String: StoredTensor] = [:]
        for (name, tensor) in named(network.tensors, momentum: true) {
            tensors[name] = StoredTensor(shape: tensor.shape, tensor.values)
        }
        if run.recipe.evaluation == .lagged {
            for weight in network.weights {
                guard let integerWeights = weight.integerWeights else { continue }
                let scales = UnsafeBufferPointer(start: weight.scales, count: weight.slices)
                tensors[weight.name + ".codes"] = StoredTensor(
                    shape: weight.value.shape, Array(UnsafeBufferPointer(start: integerWeights, count: weight.value.count)))
                tensors[weight.name + ".scales"] = StoredTensor(shape: [weight.slices], Array(scales))
            }
        }
        let stateText = String(decoding: try JSONEncoder().encode(state), as: UTF8.self)
        var file = SafetensorsFile(
            metadata: [
                "format": format, "version": version, "run": run.canonical, "graph": canonicalJSON(network.graph), "state": stateText,
                "classes": classes.joined(separator: "\n")
            ],
            tensors: tensors)
        file.metadata["checksum"] = checksum(file)
        try file.write(to: path)
    }

    /// Copies everything into the network of the same run.
    /// - Throws: `CheckpointError` when the checkpoint is another run's or network's; the message says in what they differ.
    func restore(_ network: Network, run: RunDescription) throws {
        let differences = run.differences(from: self.run)
        guard differences.isEmpty else {
            throw CheckpointError(
                description: "\(path) belongs to a run with \(differences.joined(separator: "; ")); use another --out or the old recipe")
        }
        if let graph = file.metadata["graph"], graph != canonicalJSON(network.graph) {
            throw CheckpointError(description: "\(path) belongs to another network named \(run.recipe.network); use another --out")
        }
        try expectOptimizerState(for: run)
        try restore(network.tensors, run)
    }

    private func restore(_ tensors: Parameters, _ run: RunDescription) throws {
        try copy(Self.named(tensors, momentum: holdsOptimizerState))
        guard run.recipe.evaluation == .lagged else { return }
        for weight in tensors.weights {
            guard let quantization = weight.spec.quantization else { continue }
            let integerWeights = try file.values(Int8.self, named: weight.name + ".codes", shape: weight.value.shape)
            let scales = try file.floats(named: weight.name + ".scales", shape: [weight.slices])
            guard scales.allSatisfy({ $0.isFinite && $0 >= 0 }),
                integerWeights.allSatisfy({ abs(Int($0)) <= quantization.quantizer.maximumIntegerWeight })
            else {
                throw CheckpointError(description: "\(path): the projection of \(weight.name) is none of \(quantization.bits) bits")
            }
            weight.restoreProjection(integerWeights: integerWeights, scales: scales)
        }
    }

    /// The tensors of a graph as the run's evaluation sees them: values and statistics, quantized weights projected. Training state
    /// plays no role.
    /// - Throws: `CheckpointError` or `SafetensorsError` when the checkpoint does not fit, or is of a run that diverged.
    package func evaluationTensors(_ graph: NetworkGraph, threads: Int) throws -> Parameters {
        let tensors = Parameters(graph)
        try restoreForEvaluation(tensors, threads: threads)
        return tensors
    }

    private func restoreForEvaluation(_ tensors: Parameters, threads: Int) throws {
        let run = try description()
        try restore(tensors, run)
        if run.recipe.evaluation == .current { tensors.project(threads: threads) }
        tensors.useProjection(threads: threads)
    }

    /// The network as the run's evaluation sees it, in whatever precision.
    /// - Parameters:
    ///   - input: the shape of the images that the run was trained on.
    ///   - classes: scores of an image.
    ///   - precision: of the pass.
    ///   - own: quantizers that the suite does not bring.
    ///   - images: as `Network.init` takes them.
    ///   - context: threads, engine and memory to compute with.
    /// - Throws: as `graph` and `evaluationTensors`.
    public func evaluationNetwork(
        input: FeatureShape, classes: Int, precision: Precision, own: OwnQuantizers = OwnQuantizers(), images: ByteImages? = nil,
        in context: ExecutionContext
    ) throws -> Network {
        let network = try Network(
            try graph(input: input, classes: classes, own: own), precision: precision, images: images, in: context)
        try restoreForEvaluation(network.tensors, threads: context.engine.threads)
        return network
    }

    /// Copies the values and running statistics of a run into a network that may have more parameters (the step sizes), and some that
    /// its quantizers fix, which stay; momentum is left at zero.
    func warmStart(_ network: Network) throws {
        let fixed = network.namesOfFixed
        try copy(
            Self.named(network.tensors, momentum: false).filter {
                !fixed.contains($0.name) && (file.tensors[$0.name] != nil || !$0.name.hasSuffix(".resolution"))
            })
    }

    /// Whether that run wrote it: their descriptions are the same text.
    func isOf(_ run: RunDescription) -> Bool { self.run == run.canonical }

    private func copy(_ tensors: [(name: String, tensor: Tensor)]) throws {
        for (name, tensor) in tensors {
            let values = try file.floats(named: name, shape: tensor.shape)
            if let fault = Network.impossibleValue(values, named: name) {
                throw CheckpointError(
                    description: "\(path) holds a run that diverged, so it has no accuracy: \(fault); try a smaller learning rate")
            }
            tensor.set(values)
        }
    }

    static func named(_ tensors: Parameters, momentum: Bool) -> [(name: String, tensor: Tensor)] {
        tensors.all.map { ($0.name, $0.value) } + tensors.statistics.map { ($0.name, $0.tensor) }
            + (momentum ? tensors.all.map { ($0.name + ".momentum", $0.momentum) } : [])
            + (momentum
                ? tensors.all.compactMap { parameter in parameter.secondMoment.map { (parameter.name + ".second_moment", $0) } } : [])
    }

    /// The first parameter or running statistic that holds a number which is not finite. Integer levels hide it from the loss.
    static func nameOfNotFinite(_ network: Network) -> String? {
        named(network.tensors, momentum: false).first { !$0.tensor.values.allSatisfy(\.isFinite) }?.name
    }

    package static func checksum(_ file: SafetensorsFile) -> String {
        var parts = file.metadata.filter { $0.key != "checksum" }.sorted { $0.key < $1.key }.map { $0.key + "=" + $0.value }
        parts += file.tensors.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.shape) \(crc32Hex($0.value.data))" }
        return crc32Hex(Data(parts.joined(separator: "\n").utf8))
    }
}
