// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// A text file with results between the lines `<!-- results -->` and `<!-- /results -->`.
public struct ResultsBlock {
    public let path: String
    public let isCurrent: Bool
    private let text: String

    /// - Throws: `FileError` when the file cannot be read or does not hold the two marks once each, in order.
    public init(path: String, results: String) throws {
        let (open, close) = ("<!-- results -->\n", "<!-- /results -->")
        let old = lines(of: try readText(path)).joined(separator: "\n") + "\n"  // whatever ends its lines
        let (before, after) = (old.components(separatedBy: open), old.components(separatedBy: close))
        guard before.count == 2, after.count == 2, before[0].count < after[0].count else {
            throw FileError("\(path) must hold the line <!-- results --> and then the line <!-- /results -->, once each")
        }
        self.path = path
        text = before[0] + open + "\n" + results + "\n" + close + after[1]
        isCurrent = text == old
    }

    public func write() throws { try writeAtomically(Data(text.utf8), to: path) }
}
