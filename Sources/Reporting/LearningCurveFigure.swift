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
    let validation = curves.indices.map { index in
        "\"\(files[index])\" using \"epoch\":\"validation_accuracy\" with linespoints linetype \(index + 1) title \(gnuplotString(curves[index].label))"
    }
    let hasTraining = curves.map { $0.points.contains { $0.trainAccuracy != nil } }
    let training = curves.indices.filter { hasTraining[$0] }.map {
        "\"\(files[$0])\" using \"epoch\":\"train_accuracy\" with lines linetype \($0 + 1) linewidth 1.2 dashtype \".\" notitle"
    }
    let legend = training.isEmpty ? [] : ["NaN with lines linecolor rgb \"#707070\" linewidth 1.2 dashtype \".\" title \"on training images\""]
    let loss = curves.indices.map { "\"\(files[$0])\" using \"epoch\":\"loss\" with lines linetype \($0 + 1) notitle" }
    func plot(_ items: [String]) -> String { "plot " + items.joined(separator: ", \\\n    ") }
    let epochs = curves.flatMap(\.points).map(\.epoch)
    let first = epochs.min() ?? 0, last = max(epochs.max() ?? 1, first + 1)
    let body = """
        set multiplot
        set xrange [\(first):\(last)]
        set lmargin at screen 0.09; set rmargin at screen 0.97
        set tmargin at screen 0.92; set bmargin at screen 0.44
        set title \(gnuplotString(title)) noenhanced
        set ylabel "top-1 accuracy (%)" offset 0.5
        set format x ""
        set key bottom right
        \(plot(validation + training + legend))
        set tmargin at screen 0.40; set bmargin at screen 0.11
        unset title
        set ylabel "training loss"
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
