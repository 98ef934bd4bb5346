// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Compute
import Graph
import Statistics
import Testing

/// The backward passes of the differentiable layers against central differences of their own forward passes, which need
/// no other implementation: the derivative of Σ y·g along a random direction, in the input and in every parameter.
@Suite struct CentralDifferenceTests {
    private static let batch = 3

    @Test func convolution() throws {
        try check(FeatureShape(height: 7, width: 5, channels: 4), seed: 1) { $0.conv("conv", 6, kernel: 3, stride: 2, hasBias: true) }
    }

    @Test func batchNorm() throws { try check(FeatureShape(height: 4, width: 5, channels: 6), seed: 2) { $0.norm("bn") } }

    @Test func linear() throws { try check(FeatureShape(height: 1, width: 1, channels: 12), seed: 3) { $0.linear("fc", 7) } }

    /// Over all of a map.
    @Test func linearOfAMap() throws { try check(FeatureShape(height: 3, width: 3, channels: 5), seed: 7) { $0.linear("fc", 7) } }

    @Test func pools() throws {
        let shape = FeatureShape(height: 7, width: 6, channels: 4)
        // Piecewise linear: only a change of winner errs, so the step is small.
        try check(shape, seed: 4, step: 0.0005, tolerance: 0.01) { $0.maxPool(3, stride: 2, padding: 1) }
        try check(shape, seed: 5) { $0.meanPool() }
    }

    /// ReLU's kinks lie on the way of some values; the step is small enough that none crosses (checked by the seed).
    @Test func residualBlockWithReLU() throws {
        try check(FeatureShape(height: 6, width: 6, channels: 4), seed: 6, step: 0.0005, tolerance: 0.01) {
            $0.basicBlock("block", 8, stride: 2, isProjected: false)
        }
    }

    /// Maps that several nodes read, an addition to a map that others read too, and one that only shortcuts read.
    @Test func branches() throws {
        try check(FeatureShape(height: 4, width: 4, channels: 3), seed: 8) { x in
            let (a, b) = (x.conv("a", 3, kernel: 3), x.conv("b", 3, kernel: 1))
            let sum = a.add(b).add(a.norm("n")).add(x)
            return sum.add(b.add(sum.norm("m")))
        }
    }

    /// - Parameters:
    ///   - step: along a direction of unit normal entries. The difference quotient errs by step² times third derivatives
    ///     (values here are of order 1) and by f32 rounding, about 1e-6·√values/step: both below 1e-3 at 0.01.
    ///   - tolerance: relative to the norm of the gradient times that of a typical direction.
    private func check(_ shape: FeatureShape, seed: UInt64, step: Float = 0.01, tolerance: Double = 2e-3, _ body: (Map) -> Map) throws {
        let layers = try Layers(shape, batch: Self.batch, body)
        var random = Philox(seed: seed, stream: 0)
        func normals(_ count: Int) -> [Float] { (0..<count).map { _ in Float(random.normal()) } }
        let input = shape.tensor(batch: Self.batch)
        input.set(normals(input.count))
        for parameter in layers.tensors.all { parameter.value.set(normals(parameter.value.count)) }
        let outputGradient = layers.output.tensor(batch: Self.batch)
        outputGradient.set(normals(outputGradient.count))
        _ = try layers.forward(input)
        let inputGradient = try layers.backward(outputGradient)
        let variables = [(input, inputGradient)] + layers.tensors.all.map { ($0.value, $0.gradient.values) }
        for (variable, gradient) in variables {
            let (origin, direction) = (variable.values, normals(variable.count))
            func objective(_ t: Float) throws -> Double {
                variable.set(zip(origin, direction).map { $0 + t * $1 })
                let y = try layers.forward(input).values
                return zip(y, outputGradient.values).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
            let measured = try (objective(step) - objective(-step)) / Double(2 * step)
            variable.set(origin)
            let expected = zip(gradient, direction).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            let scale = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            #expect(abs(measured - expected) <= tolerance * scale, "\(measured) for \(expected)")
        }
    }
}
