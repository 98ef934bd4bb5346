// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Foundation
import Graph
import Testing

/// One case of reference values that `pytorch/make_vectors.py` computed with PyTorch in f64.
struct Vector {
    let file: SafetensorsFile

    init(_ name: String) throws {
        let folder = try #require(Bundle.module.resourcePath)
        file = try SafetensorsFile(path: "\(folder)/Vectors/\(name).safetensors")
    }

    func floats(_ name: String) throws -> [Float] { try file.floats(named: name) }
    func shape(_ name: String) throws -> [Int] { try #require(file.tensors[name]).shape }
    func tensor(_ name: String) throws -> Tensor { Tensor(try shape(name), try floats(name)) }

    /// An activation as `[N, H, W, C]`; `[N, C]` becomes `[N, 1, 1, C]`.
    func map(_ name: String) throws -> Tensor {
        let shape = try shape(name)
        return Tensor(shape.count == 2 ? [shape[0], 1, 1, shape[1]] : shape, try floats(name))
    }

    func integer(_ key: String) throws -> Int { Int(try number(key)) }
    func number(_ key: String) throws -> Double { try #require(file.metadata[key].flatMap { Double($0) }, "no number \(key)") }

    /// Largest difference from the reference, relative to the reference's largest value.
    func deviation(_ values: [Float], from name: String) throws -> Float {
        let reference = try floats(name)
        try #require(reference.count == values.count)
        let largest = reference.reduce(0) { max($0, abs($1)) }
        // A maximum over `max` would lose a NaN.
        let differences = zip(values, reference).map { abs($0 - $1) }
        if differences.contains(where: \.isNaN) { return .infinity }
        return (differences.max() ?? 0) / max(largest, .leastNormalMagnitude)
    }

    /// How far f32 arithmetic in another order of summation may stray: PyTorch's own f32 result strays by `f32_error`
    /// (stored with each case), ours sums in another order; ten times covers that, and every planted fault that the
    /// script's author tried exceeds it.
    func tolerance() throws -> Float { max(10 * Float(try number("f32_error")), 1e-6) }
}

extension Tensor {
    var featureShape: FeatureShape { FeatureShape(height: shape[1], width: shape[2], channels: shape[3]) }
}

func context(batch: Int, threads: Int = 1) throws -> ExecutionContext {
    ExecutionContext(engine: try Engine(threads: threads), batch: batch)
}
