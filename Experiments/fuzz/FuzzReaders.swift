// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import CPlanted
import Files
import Foundation
import Synchronization

/// Gives every reader of the package damaged inputs (Documentation/Sanitizers.md).
@main struct FuzzReaders: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fuzz-readers",
        abstract: "Gives every reader of this package damaged inputs, and looks for crashes, hangs and wrong answers.",
        subcommands: [RunCommand.self, ReplayCommand.self, PlantedCommand.self, WorkCommand.self], defaultSubcommand: RunCommand.self)
}

struct LimitOptions: ParsableArguments {
    @Option(help: "For one input, 1 to 3600.") var seconds = 20
    @Option(help: "The largest single allocation for one input, in bytes.") var allocation = 1 << 30
    @Option(help: "Decides every input together with its number.") var seed: UInt64 = 1
    @Option(help: ArgumentHelp("Where inputs that were not dealt with properly are stored.", valueName: "dir")) var out = "fuzz-findings"

    func validate() throws {
        guard (1...3600).contains(seconds) else { throw ValidationError("--seconds must be 1 to 3600, not \(seconds)") }
        guard allocation >= 1 else { throw ValidationError("--allocation must be at least 1, not \(allocation)") }
    }

    var limits: Limits { Limits(seconds: seconds, allocation: allocation) }
}

private func reader(_ name: String) throws -> Reader {
    guard let reader = (Reader.all + Reader.planted).first(where: { $0.name == name }) else {
        throw ValidationError("there is no reader \(name), but \(Reader.all.map(\.name).joined(separator: ", "))")
    }
    return reader
}

private var sanitizers: String {
    let names = String(cString: planted_sanitizers()).split(separator: " ")
    return names.isEmpty ? "no sanitizer" : "sanitizers: \(names.joined(separator: ", "))"
}

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Gives each reader so many inputs; the same ones with the same seed.")

    @Option(help: "Inputs for each reader.") var count = 100_000
    @Option(name: .customLong("reader"), help: "One of them alone; may be given again.") var names: [String] = []
    @OptionGroup var options: LimitOptions

    func validate() throws {
        guard count >= 1 else { throw ValidationError("--count must be at least 1, not \(count)") }
    }

    func run() throws {
        let readers = names.isEmpty ? Reader.all : try names.map(reader)
        print("\(sanitizers); seed \(options.seed), \(count) inputs a reader")
        print("reader          accepted  refused  wrong  crashed  inputs/s  slowest ms  largest MB  peak MB")
        let isClean = Mutex(true)
        let failure = Mutex<(any Error)?>(nil)
        DispatchQueue.concurrentPerform(iterations: readers.count) { index in
            do {
                let campaign = Campaign(reader: readers[index], seed: options.seed, limits: options.limits, output: options.out)
                if !report(readers[index].name, try campaign.run(count: count)) { isClean.withLock { $0 = false } }
            } catch { failure.withLock { $0 = error } }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        guard isClean.withLock({ $0 }) else {
            note("the inputs are in \(options.out), each with what happened; `fuzz-readers replay FILE` reads one again")
            throw ExitCode(1)
        }
    }

    /// Prints a line; returns whether all was as it should be.
    private func report(_ name: String, _ result: Campaign.Result) -> Bool {
        let progress = result.progress, done = progress.accepted + progress.refused + result.crashes.count
        let columns = [
            (name, -14), ("\(progress.accepted)", 9), ("\(progress.refused)", 8), ("\(progress.broken)", 6), ("\(result.crashes.count)", 8),
            (String(format: "%.0f", Double(done) / result.seconds), 9),
            (String(format: "%.1f", Double(progress.slowestMicroseconds) / 1000), 11),
            (String(format: "%.1f", Double(progress.largestAllocation) / 1e6), 11),
            (String(format: "%.0f", Double(progress.peakBytes) / 1e6), 8)
        ]
        var lines = [columns.map { text, width in padded(text, width) }.joined(separator: " ")]
        lines += result.crashes.prefix(3).map { "  input \($0.index): \($0.what.split(separator: "\n").prefix(3).joined(separator: "; "))" }
        // Where neither kind is left, the damage no longer fits the format and tests nothing.
        let isEmpty = count >= 500 && min(progress.accepted, progress.refused) < count / 500
        if isEmpty {
            lines.append("  fewer than one input of 500 was accepted, or refused: the seeds or their repair no longer fit the format")
        }
        print(lines.joined(separator: "\n"))
        fflush(nil)
        return progress.broken == 0 && result.crashes.isEmpty && !isEmpty
    }

    private func padded(_ text: String, _ width: Int) -> String {
        let blanks = String(repeating: " ", count: max(0, abs(width) - text.count))
        return width < 0 ? text + blanks : blanks + text
    }
}

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "replay", abstract: "Reads a stored input again, in this process.")

    @Argument(help: "READER-INDEX.input, as it was stored.") var file: String

    func run() throws {
        let words = ((file as NSString).lastPathComponent as NSString).deletingPathExtension
        guard let mark = words.lastIndex(of: "-"), let index = Int(words[words.index(after: mark)...]) else {
            throw ValidationError("\(file): expected a name READER-INDEX.input")
        }
        let folder = scratchPath()
        try makeFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let session = try reader(String(words[..<mark])).open(folder)
        try session.read([UInt8](try readFile(file)), index)
        print("accepted")
    }
}

struct PlantedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "planted", abstract: "Shows that faults made on purpose are found; fails where one is not.")

    @Flag(help: "Fail where the address or the undefined-behaviour sanitizer is missing.") var sanitized = false

    /// What must be said of each.
    private static let signs = [
        "planted-write": "AddressSanitizer: heap-buffer-overflow", "planted-overflow": "signed integer overflow",
        "planted-trap": "ended with status",
        "planted-hang": "not finished after 2 s", "planted-memory": "4294967296 bytes were allocated at once",
        "planted-error": "no line of ours: POSIXError"
    ]

    func run() throws {
        print(sanitizers)
        let folder = scratchPath()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var missed: [String] = []
        for reader in Reader.planted {
            let needed = ["planted-write": "address", "planted-overflow": "undefined"][reader.name]
            if let needed, !sanitized, !sanitizers.contains(needed) {
                print("\(reader.name): not tried without the sanitizer that finds it")
                continue
            }
            _ = try Campaign(reader: reader, seed: 1, limits: Limits(seconds: 2), output: folder).run(count: 2)
            let text = (try? readText("\(folder)/\(reader.name)-1.txt")) ?? "", sign = Self.signs[reader.name] ?? "?"
            let isFound = text.contains(sign)
            print("\(reader.name) (\(reader.about)): \(isFound ? "found" : "NOT FOUND")")
            if !isFound {
                missed.append(reader.name)
                note("expected \"\(sign)\", found \"\(text)\"")
            }
        }
        guard missed.isEmpty else { throw ExitCode(1) }
    }
}

struct WorkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "work", abstract: "Reads a range of inputs.", shouldDisplay: false)

    @Argument var name: String
    @Argument var from: Int
    @Argument var to: Int
    @Argument var folder: String
    @OptionGroup var options: LimitOptions

    func run() throws {
        do {
            let worker = Worker(reader: try reader(name), seed: options.seed, limits: options.limits, output: options.out)
            try worker.run(from..<max(from, to), in: folder)
        } catch {
            note("cannot go on: \(error)")
            throw ExitCode(SetUpFailed.status)
        }
    }
}
