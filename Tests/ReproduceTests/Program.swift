// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// A program of the package, started as a user would, from the package's folder, without BCGD_DATA and BCGD_IMAGENET.
final class Program {
    static let package = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized

    private let process = Process()
    private let pipe = Pipe()
    private var read = ""

    init(_ name: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        // The programs lie beside the test program.
        let products = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") as NSString
        process.executableURL = URL(fileURLWithPath: "\(products.deletingLastPathComponent)/\(name)")
        process.arguments = arguments
        process.currentDirectoryURL = Self.package
        process.environment = ProcessInfo.processInfo.environment.filter { !["BCGD_DATA", "BCGD_IMAGENET"].contains($0.key) }
            .merging(environment) { _, new in new }
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
    }

    /// Reads until the words have come, or the program has ended.
    func wait(for words: String) {
        while !read.contains(words) {
            let data = pipe.fileHandleForReading.availableData
            if data.isEmpty { return }
            read += String(decoding: data, as: UTF8.self)
        }
    }

    func interrupt() { process.interrupt() }
    func kill() { Foundation.kill(process.processIdentifier, SIGKILL) }

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
