// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// A program of the package, started as a user would, from the package's folder, without BCGD_DATA and BCGD_IMAGENET.
final class Program {
    static let package = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized

    private let process = Process()
    private let pipe = Pipe()
    private var read = ""

    convenience init(_ name: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        try self.init(executable: Self.path(name), arguments, environment)
    }

    /// A script for /bin/sh, in which `$reproduce`, `$verify` and `$benchmark` are the programs.
    convenience init(shell script: String) throws {
        try self.init(executable: "/bin/sh", ["-c", script])
    }

    /// A script for python3, with the programs in the environment under the same names.
    convenience init(python script: String, _ arguments: [String]) throws {
        try self.init(executable: "/usr/bin/env", ["python3", "-c", script] + arguments)
    }

    private init(executable: String, _ arguments: [String], _ more: [String: String] = [:]) throws {
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.currentDirectoryURL = Self.package
        var environment = ProcessInfo.processInfo.environment.filter { !["BCGD_DATA", "BCGD_IMAGENET"].contains($0.key) }
        for (name, program) in [("reproduce", "reproduce"), ("verify", "verify-theory"), ("benchmark", "benchmark-step")] {
            environment[name] = try Self.path(program)
        }
        process.environment = environment.merging(more) { _, new in new }
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
    }

    /// The programs lie beside the test program.
    private static func path(_ name: String) throws -> String {
        let products = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") as NSString
        return "\(products.deletingLastPathComponent)/\(name)"
    }

    var identifier: pid_t { process.processIdentifier }
    var isRunning: Bool { process.isRunning }

    /// Reads until the words have come, or the program has ended.
    func wait(for words: String) {
        while !read.contains(words) {
            let data = pipe.fileHandleForReading.availableData
            if data.isEmpty { return }
            read += String(decoding: data, as: UTF8.self)
        }
    }

    func interrupt() { send(SIGINT) }
    func kill() { send(SIGKILL) }
    func send(_ signal: Int32) { Foundation.kill(identifier, signal) }

    /// Waits for the end; both streams and the exit status.
    func finish() -> (status: Int32, output: String) {
        read += String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, read)
    }
}

/// Expects a refusal: a non-zero status, and one `Error:` line with the words (usage errors add the usage below it).
func expectRefusal(
    _ arguments: [String], _ words: String, environment: [String: String] = [:], sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let (status, output) = try Program("reproduce", arguments, environment: environment).finish()
    let errors = output.split(separator: "\n").filter { $0.hasPrefix("Error:") }
    #expect(status != 0 && errors.count == 1 && errors[0].contains(words), "\(status): \(output)", sourceLocation: sourceLocation)
}
