// SPDX-License-Identifier: GPL-3.0-or-later
import Quantization
import Reporting
import Statistics

/// Figure 5: the weight quantizers as functions, δq against w, each fitted to the same weights: 401 quantiles of the standard normal
/// distribution. Their coarse gradient is the straight-through estimator's: 1 everywhere, the slope of the diagonal.
func weightQuantizerFigure(name: String) throws -> Figure {
    let count = 401
    let w = (0..<count).map { Float(-Distribution.normalQuantile(tail: (Double($0) + 0.5) / Double(count))) }
    let panels: [(title: String, quantizers: [any WeightQuantizer])] = [
        ("1 and 2 bits", [BinaryProjection(), TernaryProjection(), AuthorsTernaryProjection()]),
        ("3 bits", [try LloydProjection(bits: 3), try ExactProjection(bits: 3)]),
        ("4 bits", [try LloydProjection(bits: 4, maximumIterations: 1), try LloydProjection(bits: 4), try ExactProjection(bits: 4)])
    ]
    let quantizers = panels.flatMap(\.quantizers)
    let columns = quantizers.map { quantizer -> [Float] in
        let (scale, integerWeights) = quantizer.referenceProject(w)
        return integerWeights.map { scale * Float($0) }
    }
    let rows = w.indices.map { i in ["\(w[i])"] + columns.map { "\($0[i])" } }
    let file = "\(name)-1.csv"
    let plots = panels.map { title, quantizers in
        "set title \"\(title)\"\nplot x with lines dashtype 2 linecolor \"grey\" title \"w\", \\\n    "
            + FigureStyle.overlaid(quantizers.map(\.name), of: file, against: "w", with: "steps")
    }
    let body = """
        set multiplot layout 1,3 title "Quantized weights δq against w, standard normal weights"
        set xlabel "w"
        set xrange [-3:3]
        set yrange [-3:3]
        set key top left
        \(plots.joined(separator: "\n"))
        unset multiplot
        """
    return Figure(name: name, body: body, data: [(file, CSVTable(header: ["w"] + quantizers.map(\.name), rows: rows))])
}
