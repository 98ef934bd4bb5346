// SPDX-License-Identifier: GPL-3.0-or-later
import Compute
import Networks
import Statistics
import Testing

/// The backward passes of the differentiable layers against central differences of their own forward passes, which need
/// no other implementation: the derivative of Σ y·g along a random direction, in the input and in every parameter.
@Suite struct CentralDifferenceTests {
    private static let batch = 3

    @Test func convolution() throws {
        let shape = ConvolutionShape(input: .init(height: 7, width: 5, channels: 4), outputChannels: 6, kernel: 3, stride: 2, padding: 1)
        try check(ConvolutionLayer("conv", shape, hasBias: true, in: workshop(batch: Self.batch)), shape.input, seed: 1)
    }

    @Test func batchNorm() throws {
        let shape = FeatureShape(height: 4, width: 5, channels: 6)
        try check(BatchNormLayer("bn", shape, in: workshop(batch: Self.batch)), shape, seed: 2)
    }

    @Test func linear() throws {
        let shape = FeatureShape(height: 1, width: 1, channels: 12)
        try check(LinearLayer("fc", shape, outputs: 7, in: workshop(batch: Self.batch)), shape, seed: 3)
    }

    @Test func pools() throws {
        let shape = FeatureShape(height: 7, width: 6, channels: 4)
        // Piecewise linear: only a change of winner errs, so the step is small.
        let maximum = try MaxPoolLayer(shape, window: 3, stride: 2, padding: 1, in: workshop(batch: Self.batch))
        try check(maximum, shape, seed: 4, step: 0.0005, tolerance: 0.01)
        try check(GlobalMeanPoolLayer(shape, in: workshop(batch: Self.batch)), shape, seed: 5)
    }

    /// ReLU's kinks lie on the way of some values; the step is small enough that none crosses (checked by the seed).
    @Test func residualBlockWithReLU() throws {
        let shape = FeatureShape(height: 6, width: 6, channels: 4)
        try check(
            ResidualBlock("block", shape, channels: 8, stride: 2, activation: .relu, in: workshop(batch: Self.batch)), shape,
            seed: 6, step: 0.0005, tolerance: 0.01)
    }

    /// - Parameters:
    ///   - step: along a direction of unit normal entries. The difference quotient errs by step² times third derivatives
    ///     (values here are of order 1) and by f32 rounding, about 1e-6·√values/step: both below 1e-3 at 0.01.
    ///   - tolerance: relative to the norm of the gradient times that of a typical direction.
    private func check(_ layer: any Layer, _ shape: FeatureShape, seed: UInt64, step: Float = 0.01, tolerance: Double = 2e-3) throws {
        var random = Philox(seed: seed, stream: 0)
        func normals(_ count: Int) -> [Float] { (0..<count).map { _ in Float(random.normal()) } }
        let input = shape.tensor(batch: Self.batch)
        input.set(normals(input.count))
        for parameter in layer.parameters { parameter.value.set(normals(parameter.value.count)) }
        let outputGradient = layer.output.tensor(batch: Self.batch)
        outputGradient.set(normals(outputGradient.count))
        _ = try layer.forward(input, batch: Self.batch, mode: .training)
        let inputGradient = try layer.backward(outputGradient, batch: Self.batch).values
        let variables = [(input, inputGradient)] + layer.parameters.map { ($0.value, $0.gradient.values) }
        for (variable, gradient) in variables {
            let (origin, direction) = (variable.values, normals(variable.count))
            func objective(_ t: Float) throws -> Double {
                variable.set(zip(origin, direction).map { $0 + t * $1 })
                let y = try layer.forward(input, batch: Self.batch, mode: .training).values
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
