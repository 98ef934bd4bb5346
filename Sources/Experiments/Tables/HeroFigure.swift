// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Reporting

/// The README's picture, in three panels: accuracy by epoch of BCGD and BinaryConnect at the paper's schedule with the range over seeds,
/// speed of a training step beside PyTorch's, and the theory's correlation of the coarse with the true gradient, lines by formulas and
/// points by Monte Carlo.
struct HeroFigure {
    private let output: OutputFolder
    private let curves: (title: String, images: String, curves: [ValidationCurve])
    private let speeds: CSVTable
    private let correlations: [(name: String, formula: CSVTable, measured: CSVTable)]

    /// Nil where one of the panels has nothing to show.
    /// - Throws: `FileError` for CSVs that cannot be read.
    init?(_ output: OutputFolder, _ rows: [RunRow]) throws {
        self.output = output
        guard let curves = try Self.curves(output, rows), let speeds = try Self.speeds(output),
            let correlations = try Self.correlations(output)
        else { return nil }
        (self.curves, self.speeds, self.correlations) = (curves, speeds, correlations)
    }

    /// Of the cells `…-bcgd` and `…-bc` that both have runs with the most seeds, the same ones; the first of such. Other cells of these
    /// methods have other coarse derivatives, ρ or quantizers.
    private static func curves(
        _ output: OutputFolder, _ rows: [RunRow]
    ) throws -> (title: String, images: String, curves: [ValidationCurve])? {
        let groups = RunGroup.all(of: rows).filter { $0.condition.runProtocol == .paper && $0.divergedEpoch == nil }
        let mostFirst = groups.enumerated().sorted {
            ($1.element.runs.count, $0.offset) < ($0.element.runs.count, $1.offset)
        }
        for (_, group) in mostFirst where group.condition.method == .bcgd {
            func isOther(_ other: RunGroup) -> Bool {
                other.condition.cell + "gd" == group.condition.cell && Section(other.first) == Section(group.first)
                    && other.precision == group.precision && other.seeds == group.seeds
            }
            guard let other = groups.first(where: isOther) else { continue }
            let both = try [(group, "BCGD"), (other, "BinaryConnect")].map { group, name in
                let runs = try group.runs.compactMap(output.validation), count = runs.count
                return ValidationCurve(label: "\(name), \(count == 1 ? "one seed" : "mean and range of \(count) seeds")", runs: runs)
            }
            guard both.allSatisfy({ !$0.points.isEmpty }) else { continue }
            let dataset = group.condition.dataset
            return (
                "\(group.condition.network) \(group.condition.bits), \(dataset.name), \(group.first.epochs) epochs",
                dataset.evaluatedImages, both
            )
        }
        return nil
    }

    private static let engines = [("PyTorch f32", "pytorch", "f32"), ("PyTorch bf16", "pytorch", "bf16"), ("this suite", "bcgd", "mixed")]

    /// How often as fast as PyTorch's best f32 step, in the same rounds: a row for each network, a column for each engine.
    private static func speeds(_ output: OutputFolder) throws -> CSVTable? {
        guard let csv = try CSVTable.ifPresent("\(output.path)/benchmarks/training.csv", columns: BenchmarkTables.trainingColumns) else {
            return nil
        }
        let timed = csv.rows.indices.filter { csv[$0, "stage"] == "interleaved" && Double(csv[$0, "pytorch_f32_over_this"]) != nil }
        func name(_ row: Int) -> String { "\(csv[row, "network"]) \(csv[row, "bits"])" }
        let networks = timed.map(name).uniqued()
        guard !networks.isEmpty else { return nil }
        let rows = networks.enumerated().map { index, network in
            ["\(index)", network]
                + engines.map { _, engine, precision in
                    timed.filter { name($0) == network && csv[$0, "engine"] == engine && csv[$0, "precision"] == precision }
                        .min { Double(csv[$0, "median_ms"]) ?? .infinity < Double(csv[$1, "median_ms"]) ?? .infinity }
                        .map { csv[$0, "pytorch_f32_over_this"] } ?? ""
                }
        }
        return CSVTable(header: ["x", "network"] + engines.indices.map { "speed\($0 + 1)" }, rows: rows)
    }

    private static func correlations(_ output: OutputFolder) throws -> [(name: String, formula: CSVTable, measured: CSVTable)]? {
        let all = try [("identity", "identity"), ("relu", "ReLU"), ("clipped", "clipped ReLU")].compactMap { file, name in
            let path = "\(output.path)/theory/figures/correlation-\(file)"
            guard let formula = try CSVTable.ifPresent("\(path)-formula.csv", columns: ["theta", "formula"]),
                let measured = try CSVTable.ifPresent("\(path).csv", columns: ["theta", "measured"])
            else { return nil as (name: String, formula: CSVTable, measured: CSVTable)? }
            return (name, formula, measured)
        }
        return all.isEmpty ? nil : all
    }

    func figure(named name: String) -> Figure {
        let (curveFiles, speedFile) = (curves.curves.indices.map { "\(name)-\($0 + 1).csv" }, "\(name)-speed.csv")
        let width = 0.8 / Double(Self.engines.count)
        let bars = Self.engines.indices.flatMap { index in
            let place = String(
                format: "\"\(speedFile)\" using (column(\"x\")%+.4f)", (Double(index) - Double(Self.engines.count - 1) / 2) * width)
            return [
                String(
                    format: "%@:\"speed\(index + 1)\":(%.4f) with boxes fill solid 0.85 linetype \(index + 3) title ", place, 0.92 * width)
                    + gnuplotString(Self.engines[index].0),
                "\(place):\"speed\(index + 1)\":(sprintf(\"%.1f\", column(\"speed\(index + 1)\"))) with labels offset 0,0.6 font \",9\" "
                    + "notitle"
            ]
        }
        let ticks = speeds.rows.map { "\(gnuplotString($0[1])) \($0[0])" }
        let theory = correlations.indices.flatMap { index in
            [
                "\"\(name)-formula-\(index + 1).csv\" using \"theta\":\"formula\" with lines linetype \(index + 1) title "
                    + "\(gnuplotString(correlations[index].name))",
                "\"\(name)-measured-\(index + 1).csv\" using \"theta\":\"measured\" with points linetype \(index + 1) notitle"
            ]
        }
        let body = """
            set multiplot layout 1,3
            set title \(gnuplotString(curves.title)) noenhanced
            set xlabel "epoch"
            set ylabel "\(curves.images) top-1 (%)"
            set key bottom right
            set yrange [*:*] noextend
            plot \(ValidationCurve.plotted(curves.curves, from: curveFiles))
            unset xlabel
            set title "a training step, times as fast as PyTorch's best f32"
            unset ylabel
            set xrange [-0.6:\(Double(speeds.rows.count) - 0.4)]
            set yrange [0:*]
            set offsets 0, 0, 0.5, 0
            set xtics (\(ticks.joined(separator: ", "))) noenhanced
            set key top right
            plot \(bars.joined(separator: ", \\\n    "))
            set title "coarse · true gradient: formulas, Monte Carlo as points"
            set offsets 0, 0, 0, 0
            set xrange [0:pi]
            set yrange [*:*]
            set xtics ("0" 0, "π/4" pi/4, "π/2" pi/2, "3π/4" 3*pi/4, "π" pi)
            set xlabel "angle between w and w*"
            set ylabel "inner product"
            set key bottom center
            plot \(theory.joined(separator: ", \\\n    "))
            unset multiplot
            """
        let data =
            zip(curveFiles, curves.curves.map(\.table)).map { ($0, $1) } + [(speedFile, speeds)]
            + correlations.enumerated().flatMap {
                [("\(name)-formula-\($0 + 1).csv", $1.formula), ("\(name)-measured-\($0 + 1).csv", $1.measured)]
            }
        return Figure(name: name, body: body, data: data, size: (1500, 460))
    }
}
