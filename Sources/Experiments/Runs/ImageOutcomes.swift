// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// Which test images a run classified correctly, in the test split's order: what McNemar's test needs.
///
/// On disk one line of hexadecimal digits, four images each, the first in the highest bit, zeros after the last.
public struct ImageOutcomes: Equatable, Sendable {
    public let correct: [Bool]

    public init(_ correct: [Bool]) { self.correct = correct }

    public var hex: String {
        stride(from: 0, to: correct.count, by: 4).map { start in
            let digit = (0..<4).reduce(0) { 2 * $0 + (start + $1 < correct.count && correct[start + $1] ? 1 : 0) }
            return String(digit, radix: 16)
        }.joined()
    }

    public func write(to path: String) throws { try writeAtomically(Data((hex + "\n").utf8), to: path) }

    /// Reads the outcomes of `run`.
    /// - Throws: `FileError` when the file does not hold the run's number of images and of correct ones.
    public init(contentsOf path: String, of run: RunRow) throws {
        let lines = lines(of: try readText(path)), digits = (lines.first ?? "").map(\.hexDigitValue)
        let bits = digits.flatMap { digit in [3, 2, 1, 0].map { (digit ?? 0) >> $0 & 1 == 1 } }
        guard lines.count <= 1, !digits.contains(nil), digits.count == (run.testImages + 3) / 4,
            !bits.dropFirst(run.testImages).contains(true)
        else {
            throw FileError("\(path): expected one line of hexadecimal digits for \(run.testImages) images, four each")
        }
        correct = Array(bits.prefix(run.testImages))
        let count = correct.count { $0 }
        guard count == run.correctFinal else {
            let expected = run.correctFinal.map { "has \($0): make it again with reproduce evaluate" } ?? "diverged: delete the file"
            throw FileError("\(path) marks \(count) images as correct, but the run \(expected)")
        }
    }
}
