// SPDX-License-Identifier: GPL-3.0-or-later

/// A mean validation curve over the runs of a group, with the range of the runs at each epoch. No interval: of two or three
/// seeds an epoch's would be wider than the axis.
public struct ValidationCurve: Equatable, Sendable {
    public struct Point: Equatable, Sendable {
        /// Counted from 1.
        public let epoch: Int
        /// Top-1 in percent on the test images.
        public let mean: Double
        /// From the lowest to the highest run; nil for one run.
        public let range: ClosedRange<Double>?

        public init(epoch: Int, mean: Double, range: ClosedRange<Double>?) { (self.epoch, self.mean, self.range) = (epoch, mean, range) }
    }
    /// Names it in the legend.
    public let label: String
    public let points: [Point]

    /// - Parameters:
    ///   - label: in the legend.
    ///   - runs: of each run, its top-1 in percent by epoch; only epochs that all runs have are kept.
    public init(label: String, runs: [[Int: Double]]) {
        self.label = label
        let epochs = runs.map { Set($0.keys) }.reduce(nil as Set<Int>?) { $0?.intersection($1) ?? $1 } ?? []
        points = epochs.sorted().map { epoch in
            let values = runs.compactMap { $0[epoch] }
            let mean = values.reduce(0, +) / Double(values.count), low = values.min() ?? mean, high = values.max() ?? mean
            return Point(epoch: epoch, mean: mean, range: values.count > 1 ? low...high : nil)
        }
    }
}

/// Figure 1: accuracy against the epoch on the images that runs are evaluated on, each curve with the band of its runs.
/// The points of curve k, from 1, go to `NAME-k.csv`.
/// - Parameters:
///   - name: of the figure's files.
///   - title: above the figure.
///   - images: the evaluated ones in a word, for the axis.
///   - curves: with at least one point each.
public func validationCurveFigure(name: String, title: String, images: String = "test", curves: [ValidationCurve]) -> Figure {
    precondition(!curves.isEmpty && curves.allSatisfy { !$0.points.isEmpty }, "a curve needs points")
    let files = curves.indices.map { "\(name)-\($0 + 1).csv" }
    let epochs = curves.flatMap(\.points).map(\.epoch).max() ?? 1
    let step = [1, 2, 5, 10, 20, 50].first { epochs / $0 <= 10 } ?? 100
    let body = """
        set title \(gnuplotString(title)) noenhanced
        set xlabel "epoch" offset 0,0.5
        set xtics \(step)
        set ylabel "\(images) top-1 accuracy (%)"
        set key below noopaque
        plot \(ValidationCurve.plotted(curves, from: files))
        """
    return Figure(name: name, body: body, data: zip(files, curves).map { ($0, $1.table) })
}

extension ValidationCurve {
    /// What follows gnuplot's `plot`: the bands of curves of several runs, and over them the lines.
    /// - Parameters:
    ///   - curves: with at least one point each.
    ///   - files: of their tables, as gnuplot is to find them.
    package static func plotted(_ curves: [ValidationCurve], from files: [String]) -> String {
        let bands = curves.indices.filter { curves[$0].points[0].range != nil }.map {
            "\"\(files[$0])\" using \"epoch\":\"low\":\"high\" with filledcurves linetype \($0 + 1) fillstyle transparent solid 0.2 "
                + "noborder notitle"
        }
        let lines = curves.indices.map {
            "\"\(files[$0])\" using \"epoch\":\"mean\" with lines linetype \($0 + 1) title \(gnuplotString(curves[$0].label))"
        }
        return (bands + lines).joined(separator: ", \\\n    ")
    }

    /// As figures plot it.
    package var table: CSVTable {
        CSVTable(
            header: ["epoch", "mean", "low", "high"],
            rows: points.map {
                ["\($0.epoch)", fixed($0.mean), $0.range.map { fixed($0.lowerBound) } ?? "", $0.range.map { fixed($0.upperBound) } ?? ""]
            })
    }
}
