// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// Runs of cells as lines of a shell, one process each, in stages: a run is in a later stage than the one that it starts from. Lines of one
/// stage may run at the same time, anywhere that sees the output folder.
public struct JobLines {
    /// The first stage's, mostly float runs, then the others'.
    public let stages: [[String]]

    /// - Parameters:
    ///   - selected: what to train, with the runs that they start from.
    ///   - cells: all of the protocol.
    ///   - seeds: one job of a cell for each.
    ///   - command: a line for a cell and a seed.
    public init(
        _ selected: [ExperimentCell], of cells: ExperimentCells, seeds: [UInt64], command: (_ cell: String, _ seed: UInt64) -> [String]
    ) throws {
        var stages: [[String]] = []
        for cell in selected {
            let stage = try cells.predecessors(of: cell).count
            while stages.count <= stage { stages.append([]) }
            stages[stage] += seeds.map { shellCommand(command(cell.name, $0), forAnyShell: true) }
        }
        self.stages = stages.filter { !$0.isEmpty }
    }

    static func name(ofStage stage: Int) -> String { stage == 0 ? "float.jobs" : stage == 1 ? "quantized.jobs" : "quantized-\(stage).jobs" }

    /// Writes a file of lines for each stage, and `submit.sh` for Slurm; those of an earlier, longer plan go.
    /// - Returns: the files' paths.
    public func write(to folder: String, package: String) throws -> [String] {
        try makeFolder(folder)
        var files = stages.indices.map { "\(folder)/\(Self.name(ofStage: $0))" }
        let isOfPlan = { (name: String) in name == "float.jobs" || name.hasPrefix("quantized") && name.hasSuffix(".jobs") }
        let earlier = try FileManager.default.contentsOfDirectory(atPath: folder).filter(isOfPlan).map { "\(folder)/\($0)" }
        for path in earlier where !files.contains(path) { try FileManager.default.removeItem(atPath: path) }
        for (path, lines) in zip(files, stages) { try writeAtomically(Data((lines.joined(separator: "\n") + "\n").utf8), to: path) }
        files.append("\(folder)/submit.sh")
        try writeAtomically(Data(submission(folder, package).utf8), to: files[stages.count])
        return files
    }

    private func quoted(_ word: String) -> String { shellCommand([word], forAnyShell: true) }

    private func submission(_ folder: String, _ package: String) -> String {
        let arrays = stages.indices.map { stage in
            let after = stage == 0 ? "" : " --dependency=afterok:\"$job\""
            return "submit \(quoted(Self.name(ofStage: stage))) \(stages[stage].count)\(after)"
        }
        return """
            #!/bin/sh
            # Slurm: an array of one task a line for each stage, a stage after the one before it. What is said to this script goes to
            # sbatch:
            #     sh submit.sh --partition=cpu --cpus-per-task=8 --time=24:00:00
            # A task is told five minutes before its time is up (SIGUSR1), saves and ends; submit again and it goes on. A stage follows when
            # all tasks
            # of the one before it have finished their runs.
            set -eu
            cd \(quoted(package))
            # Quoted twice, as the tasks' shell reads it once more.
            lines=\(quoted(quoted(folder.hasPrefix("/") ? folder : "\(package)/\(folder)")))
            submit() {
                file=$1 count=$2
                shift 2
                job=$(sbatch --parsable --array=1-"$count" --signal=B:USR1@300 "$@" --wrap "eval \\"exec \\$(sed -n \
            \\"\\${SLURM_ARRAY_TASK_ID}p\\" $lines/$file)\\"")
                job=${job%%;*}
                echo "$file: job $job"
            }

            """ + arrays.map { $0 + " \"$@\"" }.joined(separator: "\n") + "\n"
    }
}
