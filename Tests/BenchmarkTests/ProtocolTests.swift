// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import TestSupport
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

    /// A step is that of the folder's recipe, whatever it says: one that only changes which weights are evaluated keeps the bits.
    @Test func aStepIsItsRecipes() throws {
        let folder = try TemporaryFolder(), source = package + "/Experiments", recipe = folder.path + "/E/paper.yaml"
        try FileManager.default.copyItem(atPath: source, toPath: folder.path + "/E")
        let paper = try String(contentsOfFile: recipe, encoding: .utf8)
        func digests(_ line: String) throws -> (Int32, String, String) {
            try (paper + line + "\n").write(toFile: recipe, atomically: true, encoding: .utf8)
            return try run(
                [
                    "digests", "--steps", "3", "--precisions", "f32", "--threads", "1", "--only", "resnet20 1W4A", "--experiments",
                    folder.path + "/E"
                ], input: "")
        }
        let plain = try digests("")
        #expect(plain.0 == 0 && plain.1.contains("weights "), "\(plain)")
        #expect(try digests("evaluation: lagged").1 == plain.1)
        for line in ["optimizer: adam", "label_smoothing: 0.1"] {
            let (status, other, errors) = try digests(line)
            #expect(status == 0 && other.contains("weights ") && other != plain.1, "\(line): \(errors)")
        }
        let accumulating = try digests("accumulation: 2")
        #expect(accumulating.0 == 1 && accumulating.2.contains("accumulation: 2 takes a step after several"), "\(accumulating)")
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

private let package = URL(fileURLWithPath: #filePath).appendingPathComponent("../../..").standardized.path

/// Exit status, lines of JSON, standard error.
private func benchmarkStep(_ arguments: [String], input: String) throws -> (Int32, [[String: Any]], String) {
    let (status, output, errors) = try run(arguments, input: input)
    let lines = output.split(separator: "\n")
    return (status, try lines.map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:] }, errors)
}

/// Runs the program that lies beside the test program: exit status, standard output, standard error.
private func run(_ arguments: [String], input: String) throws -> (Int32, String, String) {
    let products = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") as NSString
    let (process, feed, output, errors) = (Process(), Pipe(), Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: "\(products.deletingLastPathComponent)/benchmark-step")
    process.currentDirectoryURL = URL(fileURLWithPath: package)
    process.arguments = arguments
    (process.standardInput, process.standardOutput, process.standardError) = (feed, output, errors)
    try process.run()
    feed.fileHandleForWriting.write(Data(input.utf8))
    try feed.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text, message)
}
