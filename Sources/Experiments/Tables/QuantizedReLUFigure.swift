// SPDX-License-Identifier: GPL-3.0-or-later
import Quantization
import Reporting

/// Figure 3: the quantized ReLU at 2 bits and α = 1, its coarse derivatives in x and in α, drawn from the library's own
/// reference functions.
func quantizedReLUFigure(name: String) throws -> Figure {
    let (bits, stepSize) = (2, Float(1))
    let inputs = try CoarseInputDerivative.allCases.map { try QuantizedReLU(bits: bits, inputDerivative: $0) }
    let stepSizes = try CoarseStepSizeDerivative.allCases.map { try QuantizedReLU(bits: bits, stepSizeDerivative: $0) }
    let header = ["x", "sigma"] + inputs.map(\.inputDerivative.rawValue) + stepSizes.map(\.stepSizeDerivative.rawValue)
    // Just right of every multiple of α, so that jumps are upright.
    let grid = (-64...160).flatMap { step -> [Float] in
        let x = Float(step) / 32
        return step % 32 == 0 ? [x, x + 0x1p-12] : [x]
    }
    let rows = grid.map { x -> [String] in
        var values = [x, inputs[0].forward(x, stepSize: stepSize)]
        values += inputs.map { $0.inputDerivative(x, stepSize: stepSize) }
        values += stepSizes.map { $0.stepSizeDerivative(x, stepSize: stepSize) }
        return values.map { "\($0)" }
    }
    let file = "\(name)-1.csv"
    func plot(_ columns: [String]) -> String { "plot " + FigureStyle.overlaid(columns, of: file, against: "x", with: "lines") }
    let body = """
        set multiplot layout 1,3 title "Quantized ReLU and its coarse derivatives, b = 2, α = 1"
        set xlabel "x"
        set xrange [-2:5]
        set yrange [-0.2:4.4]
        set key top left
        set title "σ(x, α)"
        plot "\(file)" using "x":"sigma" with lines linetype 1 linewidth 3 notitle
        set title "in x"
        \(plot(inputs.map(\.inputDerivative.rawValue)))
        set title "in α"
        \(plot(stepSizes.map(\.stepSizeDerivative.rawValue)))
        unset multiplot
        """
    return Figure(name: name, body: body, data: [(file, CSVTable(header: header, rows: rows))])
}
