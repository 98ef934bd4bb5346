// SPDX-License-Identifier: GPL-3.0-or-later

/// One epoch of one run.
public struct LearningCurvePoint: Equatable, Sendable {
    public let epoch: Int
    /// Top-1 in percent on the training images as seen, if it was counted.
    public let trainAccuracy: Double?
    /// Top-1 in percent on the held-out images, if they were evaluated after this epoch.
    public let validationAccuracy: Double?
    /// Mean training loss of the epoch.
    public let loss: Double

    public init(epoch: Int, trainAccuracy: Double?, validationAccuracy: Double?, loss: Double) {
        self.epoch = epoch
        self.trainAccuracy = trainAccuracy
        self.validationAccuracy = validationAccuracy
        self.loss = loss
    }
}

/// The curve of one run and its name in the legend.
public struct LearningCurve: Equatable, Sendable {
    public let label: String
    public let points: [LearningCurvePoint]
    public init(label: String, points: [LearningCurvePoint]) {
        self.label = label
        self.points = points
    }
}

/// Accuracy above, training loss below, against the epoch; validation solid, training dotted in the same colour.
/// Each run's points go to `NAME-k.csv`, k from 1 in the order of `curves`.
/// - Precondition: at least one curve, and a validation accuracy in each.
public func learningCurveFigure(name: String, title: String, curves: [LearningCurve]) -> Figure {
    precondition(!curves.isEmpty && curves.allSatisfy { $0.points.contains { $0.validationAccuracy != nil } }, "a curve needs points")
    let files = curves.indices.map { "\(name)-\($0 + 1).csv" }
    let epochs = curves.flatMap(\.points).map(\.epoch)
    let first = epochs.min() ?? 0, last = epochs.max() ?? 0
    let margin = first == last ? 0.5 : max(0.1, 0.02 * Double(last - first))
    let step = [1, 2, 5, 10, 20, 50, 100, 200, 500].first { (last - first) / $0 <= 10 } ?? 1000
    // Points help the eye to few epochs and hide the line of many.
    let style = last - first < 40 ? "linespoints" : "lines"
    let dotted = "with \(style) linewidth 1.5 dashtype (2,3) pointsize 0.4"

    func series(_ index: Int, _ column: String, _ look: String, title: String?) -> String {
        "\"\(files[index])\" using \"epoch\":\"\(column)\" \(look) linetype \(index + 1) " + (title.map { "title " + gnuplotString($0) } ?? "notitle")
    }
    let validation = curves.indices.map { series($0, "validation_accuracy", "with \(style)", title: curves[$0].label) }
    let training = curves.indices.filter { curves[$0].points.contains { $0.trainAccuracy != nil } }
        .map { series($0, "train_accuracy", dotted, title: nil) }
    let legend = training.isEmpty ? [] : ["NaN \(dotted) linecolor rgb \"#707070\" title \"on training images\""]
    let loss = curves.indices.map { series($0, "loss", "with \(style)", title: nil) }
    func plot(_ items: [String]) -> String { "plot " + items.joined(separator: ", \\\n    ") }

    let body = """
        set multiplot
        set xrange [\(Double(first) - margin):\(Double(last) + margin)]
        set xtics \(step)
        set lmargin at screen 0.095; set rmargin at screen 0.97
        set tmargin at screen 0.92; set bmargin at screen 0.44
        set title \(gnuplotString(title)) noenhanced
        set label 1 "top-1 accuracy (%)" at screen 0.02, 0.68 center rotate
        set format x ""
        set key bottom right
        \(plot(validation + training + legend))
        set tmargin at screen 0.40; set bmargin at screen 0.11
        unset title
        set label 1 "training loss" at screen 0.02, 0.255 center rotate
        set xlabel "epoch" offset 0,0.3
        set format x "%g"
        \(plot(loss))
        unset multiplot
        """
    return Figure(name: name, body: body, data: zip(files, curves).map { ($0, table($1)) })
}

private func table(_ curve: LearningCurve) -> CSVTable {
    CSVTable(
        header: ["epoch", "train_accuracy", "validation_accuracy", "loss"],
        rows: curve.points.map { point in
            ["\(point.epoch)", point.trainAccuracy.map { "\($0)" } ?? "", point.validationAccuracy.map { "\($0)" } ?? "", "\(point.loss)"]
        })
}
