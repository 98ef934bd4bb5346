// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Statistics

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
        guard count == run.correctFinal else {
            let expected = run.correctFinal.map { "has \($0): make it again with reproduce evaluate" } ?? "diverged: delete the file"
            throw FileError("\(path) marks \(count) images as correct, but the run \(expected)")
        }
    }

    /// How many are right.
    public var count: Int { correct.count { $0 } }

    /// How many images are right in one and not in the other, or are in one alone.
    public func differing(from other: ImageOutcomes) -> Int {
        zip(correct, other.correct).count { $0 != $1 } + abs(correct.count - other.correct.count)
    }

    /// The images that only this, and only the other gets right, and McNemar's exact test.
    func mcNemar(_ other: ImageOutcomes) -> (onlyFirst: Int, onlySecond: Int, test: TestResult) {
        let pairs = zip(correct, other.correct), onlyFirst = pairs.count { $0 && !$1 }, onlySecond = pairs.count { !$0 && $1 }
        return (onlyFirst, onlySecond, mcNemarExact(onlyFirst: onlyFirst, onlySecond: onlySecond))
    }

    /// Whether both may be of one network, evaluated by arithmetics that round otherwise: at most a share of the images differ, and about
    /// as often for better as for worse: McNemar's p is at least 1e-6, the probability of a false alarm.
    public func agree(with other: ImageOutcomes, upTo share: Double) -> Bool {
        Double(differing(from: other)) <= share * Double(correct.count) && mcNemar(other).test.pValue >= 1e-6
    }
}
