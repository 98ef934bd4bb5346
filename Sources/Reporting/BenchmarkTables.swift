// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Tables of the benchmarks, from the CSVs that the scripts in `Experiments/benchmarks` wrote.
public enum BenchmarkTables {
    /// The columns that training.csv must have.
    public static let trainingColumns = [
        "network", "batch", "side", "bits", "engine", "precision", "stage", "median_ms", "pytorch_f32_over_this", "pytorch_bf16_over_this",
        "bound_ms"
    ]

    /// Whole training steps: of each network this package's precisions and PyTorch's fastest configuration in each of its own,
    /// all timed in turns (`stage` interleaved).
    public static func training(_ csv: CSVTable) -> TextTable {
        let timed = csv.rows.indices.filter { csv[$0, "stage"] == "interleaved" }
        func name(_ row: Int) -> String {
            let limit = csv.header.contains("limited_to") ? csv[row, "limited_to"] : "none"
            return "\(csv[row, "bits"].uppercased()) \(csv[row, "network"])\(["", "none"].contains(limit) ? "" : ", limited to \(limit)")"
        }
        func milliseconds(_ row: Int) -> Double { Double(csv[row, "median_ms"]) ?? .infinity }
        let names = timed.map(name).uniqued()
        let fastest = names.flatMap { network in
            [("bcgd", "mixed"), ("bcgd", "s16"), ("bcgd", "f32"), ("pytorch", "f32"), ("pytorch", "bf16")].compactMap { engine, precision in
                timed.filter { name($0) == network && csv[$0, "engine"] == engine && csv[$0, "precision"] == precision }
                    .min { milliseconds($0) < milliseconds($1) }
            }
        }
        func roofline(_ row: Int) -> String {  // `roofline` of the file is rounded already
            Double(csv[row, "bound_ms"]).map { String(format: "%.0f %%", 100 * $0 / milliseconds(row)) } ?? "–"
        }
        return TextTable(
            header: [
                "Network", "Batch", "Side", "Engine", "Precision", "Median ms", "PyTorch f32 over this", "PyTorch bf16 over this",
                "Of the roofline"
            ],
            rows: fastest.map { row in
                [
                    name(row), csv[row, "batch"], csv[row, "side"], csv[row, "engine"] == "bcgd" ? "this package" : "PyTorch",
                    csv[row, "precision"],
                    csv[row, "median_ms"], csv[row, "pytorch_f32_over_this"], csv[row, "pytorch_bf16_over_this"],
                    roofline(row)
                ]
            })
    }

    /// The columns that theory/benchmark.csv must have.
    public static let monteCarloColumns = [
        "m", "n", "threads", "implementation", "samples_per_second", "this_package_times_as_fast", "times_by_processor_time"
    ]

    /// The Monte Carlo pass of `verify-theory`.
    public static func monteCarlo(_ csv: CSVTable) -> TextTable {
        TextTable(
            header: ["m", "n", "Threads", "Implementation", "Samples a second", "This package times as fast", "The same by processor time"],
            rows: csv.rows.indices.map { row in monteCarloColumns.map { csv[row, $0] } })
    }
}
