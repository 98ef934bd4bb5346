// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Reporting

/// Figure 2: top-1 with its 95 % interval against the blending factor ρ on a logarithmic axis, ρ = 0 at its left end.
/// The points of series k, from 1, go to `NAME-k.csv`.
/// - Parameters:
///   - name: of the figure's files.
///   - title: above the figure.
///   - series: groups with a blending factor each, and a name for the legend.
public func blendingFigure(name: String, title: String, series: [(label: String, groups: [RunGroup])]) -> Figure {
    let positive = series.flatMap(\.groups).compactMap(\.condition.blending).filter { $0 > 0 }
    precondition(!positive.isEmpty, "a sweep needs a positive factor")
    let zero = (positive.min() ?? 1) / 10
    let files = series.indices.map { "\(name)-\($0 + 1).csv" }
    // Lines and bars apart: a point without an interval keeps its place in the line.
    let plots = series.indices.flatMap {
        [
            "\"\(files[$0])\" using \"x\":\"mean\" with linespoints linetype \($0 + 1) title \(gnuplotString(series[$0].label))",
            "\"\(files[$0])\" using \"x\":\"mean\":\"low\":\"high\" with yerrorbars linetype \($0 + 1) notitle"
        ]
    }
    let body = """
        set title \(gnuplotString(title)) noenhanced
        set xlabel "blending factor ρ"
        set ylabel "top-1 accuracy after the last epoch (%)"
        set logscale x
        set format x "10^{%T}"
        set xrange [\(zero / 2):\(2 * (positive.max() ?? 1))]
        set xtics (\((["\"0\" \(zero)"] + Set(positive).sorted().map { "\"\($0)\" \($0)" }).joined(separator: ", ")))
        plot \(plots.joined(separator: ", \\\n    "))
        """
    let tables = series.map { _, groups in
        CSVTable(
            header: ["rho", "x", "mean", "low", "high", "seeds"],
            rows: groups.compactMap { group in
                guard let (mean, interval) = group.top1 else { return nil }
                let rho = group.condition.blending ?? 0
                return [
                    "\(rho)", "\(rho == 0 ? zero : rho)", fixed(mean), interval.map { fixed($0.low) } ?? "",
                    interval.map { fixed($0.high) } ?? "",
                    "\(group.runs.count)"
                ]
            })
    }
    return Figure(name: name, body: body, data: Array(zip(files, tables)))
}
