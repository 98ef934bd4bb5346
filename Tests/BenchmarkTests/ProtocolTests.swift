// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// benchmark-step as the benchmark's driver uses it: lines in, lines of JSON out. Nothing here is a timing.
@Suite struct ProtocolTests {
    @Test(arguments: [(32, 32, 0), (1, 4, 7)])
    func aStepDescribesItselfAndAnswers(weightBits: Int, activationBits: Int, stepSizes: Int) throws {
        let (status, lines, errors) = try benchmarkStep(
            [
                "step", "--network", "resnet8", "--batch", "2", "--side", "8", "--weight-bits", "\(weightBits)",
                "--activation-bits", "\(activationBits)", "--threads", "1"
            ], input: "go 1\ngo 3\n")
        try #require(status == 0 && lines.count == 3, "\(errors)")
        // ResNet-8 by hand: weights 9·(3·16 + 2·16·16 + 16·32 + 32·32 + 32·64 + 64·64) + 64·10; batch norm
        // 2·(16 + 2·16 + 2·32 + 2·64); 10 biases; one step size for each of 7 activations.
        #expect(lines[0]["parameters"] as? Int == 74_800 + 480 + 10 + stepSizes)
        // Each weight acts at 8×8, 4×4 or 2×2 pixels, the classifier's once.
        #expect(lines[0]["multiply_adds"] as? Int == 9 * (64 * (48 + 512) + 16 * (512 + 1024) + 4 * (2048 + 4096)) + 640)
        for (line, steps) in zip(lines.dropFirst(), [1, 3]) {
            #expect(line["steps"] as? Int == steps)
            let (milliseconds, loss) = (line["milliseconds"] as? Double ?? .nan, line["loss"] as? Double ?? .nan)
            #expect(milliseconds > 0 && milliseconds.isFinite && loss > 0 && loss.isFinite)
        }
    }

    /// No processor does more than 8 vector operations of 64 lanes in 10 GHz's 0.1 ns: a loop that the compiler removed would.
    @Test func peaksArePositiveAndPossible() throws {
        let (status, lines, errors) = try benchmarkStep(["peaks", "--threads", "2"], input: "go 1\n")
        let peaks = try #require(lines.first, "\(status) \(errors)")
        for kind in ["f32", "bf16", "int8", "memory"] {
            let rate = peaks[kind] as? Double ?? .nan
            #expect(rate > 1e6 && rate < 2 * 8 * 64 * 1e10, "\(kind): \(rate)")
        }
        #expect(peaks["bf16_native"] is Bool && peaks["int8_native"] is Bool)
    }

    @Test(arguments: [
        (["step", "--network", "alexnet"], "", "network must be one of"),
        (["step", "--precision", "f8"], "", "trains in precision f32"),
        (["step", "--side", "4"], "", "--side must be at least 8"),
        (["peaks", "--threads", "0"], "", "--threads must be 1 to 256, not 0"),
        (["peaks"], "go 0\n", "expected \"go K\""),
        (["peaks"], "stop\n", "expected \"go K\"")
    ])
    func badInput(_ arguments: [String], _ input: String, _ words: String) throws {
        let (status, lines, errors) = try benchmarkStep(arguments, input: input)
        #expect(status != 0 && lines.isEmpty && errors.contains(words), "\(errors)")
    }
}

/// Runs the program that lies beside the test program: exit status, lines of JSON, standard error.
private func benchmarkStep(_ arguments: [String], input: String) throws -> (Int32, [[String: Any]], String) {
    let products = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") as NSString
    let (process, feed, output, errors) = (Process(), Pipe(), Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: "\(products.deletingLastPathComponent)/benchmark-step")
    process.currentDirectoryURL = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized
    process.arguments = arguments
    (process.standardInput, process.standardOutput, process.standardError) = (feed, output, errors)
    try process.run()
    feed.fileHandleForWriting.write(Data(input.utf8))
    try feed.fileHandleForWriting.close()
    let lines = output.fileHandleForReading.readDataToEndOfFile().split(separator: UInt8(ascii: "\n"))
    let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, try lines.map { try JSONSerialization.jsonObject(with: $0) as? [String: Any] ?? [:] }, message)
}
