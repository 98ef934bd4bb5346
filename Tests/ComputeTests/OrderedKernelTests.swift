// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph
import Parallelism
import Statistics
import Testing

/// f32 sums in a fixed order against loops that add in that order, bit for bit, on every instruction set and number of threads.
@Suite struct OrderedKernelTests {
    private static func normals(_ count: Int, _ stream: UInt64) -> [Float] {
        var random = Philox(seed: 62, stream: stream)
        return (0..<count).map { _ in Float(random.normal()) }
    }

    private static let shapes = [
        (5, 7, 3, 16, 3, 1, 1), (9, 9, 1, 32, 5, 1, 0), (12, 11, 3, 64, 7, 2, 3), (4, 4, 3, 80, 3, 2, 1), (6, 5, 2, 48, 2, 2, 0)
    ].map {
        ConvolutionShape(
            input: .init(height: $0.0, width: $0.1, channels: $0.2), outputChannels: $0.3, kernel: $0.4, stride: $0.5, padding: $0.6)
    }

    @Test(arguments: InstructionSet.available, shapes)
    func firstConvolution(_ set: InstructionSet, _ shape: ConvolutionShape) throws {
        // Kernels take four images at a time where few channels are left.
        let batch = 5, weights = shape.outputChannels * shape.input.channels * shape.kernel * shape.kernel
        let (x, w) = (Self.normals(batch * shape.input.count, 0), Self.normals(weights, 1))
        let dy = Self.normals(batch * shape.output.count, 2).map(BF16.rounded)
        var y = [Float](repeating: 0, count: dy.count)
        QuantizedConvolutionReference.forEachProduct(shape, batch: batch) { y[$2] = y[$2].addingProduct(x[$0], w[$1]) }
        // Of each image in f32, then in f64.
        var dw = [Double](repeating: 0, count: weights)
        for n in 0..<batch {
            var image = [Float](repeating: 0, count: weights)
            let (from, to) = (n * shape.input.count, n * shape.output.count)
            QuantizedConvolutionReference.forEachProduct(shape, batch: 1) {
                image[$1] = image[$1].addingProduct(x[from + $0], BF16.float(dy[to + $2]))
            }
            for i in dw.indices { dw[i] += Double(image[i]) }
        }
        let weight = Tensor([shape.outputChannels, shape.input.channels, shape.kernel, shape.kernel])
        weight.pointer.update(from: w, count: weights)
        try set.limit {
            for threads in [1, 2, 5] {
                let convolution = OrderedConvolution(shape, engine: try Engine(threads: threads))
                var (found, gradient) = ([Float](repeating: .nan, count: y.count), [Float](repeating: .nan, count: weights))
                convolution.forward(input: x, weight: weight, output: &found, batch: batch)
                convolution.backwardWeight(input: x, outputGradient: dy, weightGradient: &gradient, batch: batch)
                #expect(firstDifference(found, y) == nil && firstDifference(gradient, dw.map { Float($0) }) == nil)
            }
        }
    }

    @Test(arguments: InstructionSet.available, [(1, 1, 1), (3, 16, 10), (5, 35, 7), (9, 64, 1000)])
    func linear(_ set: InstructionSet, _ size: (batch: Int, inputs: Int, outputs: Int)) {
        let (batch, inputs, outputs) = size
        let (x, w) = (Self.normals(batch * inputs, 3), Self.normals(outputs * inputs, 4))
        let (bias, dy) = (Self.normals(outputs, 5), Self.normals(batch * outputs, 6))
        var (y, dw, dx) = ([Float](), [Float](repeating: 0, count: w.count), [Float](repeating: 0, count: x.count))
        for n in 0..<batch {
            for o in 0..<outputs {
                var lanes = [Float](repeating: 0, count: 16)
                for i in 0..<inputs { lanes[i % 16] = lanes[i % 16].addingProduct(x[n * inputs + i], w[o * inputs + i]) }
                y.append(bias[o] + lanes.reduce(0, +))
                for i in 0..<inputs {
                    dw[o * inputs + i] = dw[o * inputs + i].addingProduct(dy[n * outputs + o], x[n * inputs + i])
                    dx[n * inputs + i] = dx[n * inputs + i].addingProduct(dy[n * outputs + o], w[o * inputs + i])
                }
            }
        }
        set.limit {
            for threads: Int32 in [1, 2, 5] {
                var (found, weight, input) = ([Float](repeating: .nan, count: y.count), w.map { _ in Float.nan }, x.map { _ in Float.nan })
                ck_linear_forward(x, w, bias, &found, batch, inputs, outputs, threads)
                ck_linear_backward_weight(x, dy, &weight, batch, inputs, outputs, threads)
                ck_linear_backward_input(dy, w, &input, batch, inputs, outputs, threads)
                #expect(firstDifference(found, y) == nil && firstDifference(weight, dw) == nil && firstDifference(input, dx) == nil)
            }
        }
    }
}
