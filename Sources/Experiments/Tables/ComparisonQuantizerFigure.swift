// SPDX-License-Identifier: GPL-3.0-or-later
import Quantization
import Reporting
import Statistics

/// Figure 7: the quantizers of other methods, LSQ, PACT and DoReFa, at 2 bits: activations with their coarse derivatives at a step size of
/// 1/3, DoReFa's, and weights as functions, fitted to 401 quantiles of a normal distribution of deviation ½.
func comparisonQuantizerFigure(name: String) throws -> Figure {
    let bits = 2, stepSize = Float(1) / 3
    let activations: [any ActivationQuantizer] = [try LSQ(bits: bits), try PACT(bits: bits), try DoReFa(bits: bits)]
    // On both sides of every sixth, where jumps are, so that they are upright.
    let grid = (-24...72).flatMap { step -> [Float] in
        let x = Float(step) / 48
        return step % 8 == 0 ? [x - 0x1p-14, x, x + 0x1p-14] : [x]
    }
    let functions = grid.map { x in
        [x]
            + activations.flatMap { quantizer in
                [quantizer.forward(x, stepSize: stepSize), quantizer.inputDerivative(x, stepSize: stepSize)]
                    + [quantizer.stepSizeDerivative(x, stepSize: stepSize)]
            }
    }
    let count = 401, weights: [any WeightQuantizer] = [try LSQWeights(bits: bits), try DoReFaWeights(bits: bits)]
    let w = (0..<count).map { Float(-Distribution.normalQuantile(tail: (Double($0) + 0.5) / Double(count)) / 2) }
    let columns = weights.map { quantizer -> [Float] in
        let (scale, integerWeights) = quantizer.referenceProject(w)
        return integerWeights.map { scale * Float($0) }
    }
    func table(_ header: [String], _ rows: [[Float]]) -> CSVTable { CSVTable(header: header, rows: rows.map { $0.map { "\($0)" } }) }
    let (first, second) = ("\(name)-1.csv", "\(name)-2.csv"), names = activations.map(\.name)
    func plot(_ kind: String) -> String {
        "plot " + FigureStyle.overlaid(names.map { "\($0)\(kind)" }, of: first, against: "x", with: "lines")
    }
    let body = """
        set multiplot layout 2,2 title "LSQ, PACT and DoReFa at 2 bits, step size 1/3"
        set key top left
        set xlabel "x"
        set xrange [-0.5:1.5]
        set yrange [-0.1:1.6]
        set title "σ(x, s)"
        \(plot(""))
        set title "coarse derivative in x"
        \(plot(" in x"))
        set yrange [-0.6:4.5]
        set title "coarse derivative in s"
        \(plot(" in s"))
        set title "weights"
        set xlabel "w"
        set xrange [-1.5:1.5]
        set yrange [-1.8:1.8]
        plot x with lines dashtype 2 linecolor "grey" title "w", \\
            \(FigureStyle.overlaid(weights.map { "\($0.name) weights" }, of: second, against: "w", with: "steps"))
        unset multiplot
        """
    let header = ["x"] + names.flatMap { [$0, "\($0) in x", "\($0) in s"] }
    return Figure(
        name: name, body: body,
        data: [
            (first, table(header, functions)),
            (second, table(["w"] + weights.map { "\($0.name) weights" }, w.indices.map { i in [w[i]] + columns.map { $0[i] } }))
        ])
}
