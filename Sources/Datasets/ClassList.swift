// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// ImageNet classes by their WordNet id, each with a number and a name.
///
/// As a text file: a line a class with the number, the id (`n` and eight digits) and the name in words, in this order or with
/// the id first; empty lines and those that begin with `#` don't count.
public struct ClassList: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        /// In a class list the place in the classifier's scores, from 0, for ImageNet-1k that of sorted ids, as torchvision has
        /// it; in a list of `ILSVRC2012_ID`s the id, from 1.
        public let number: Int
        public let wnid: String
        public let name: String
    }

    /// By ascending number.
    public let entries: [Entry]
    public let path: String
    /// Made of sorted ids: the numbers mean nothing else.
    let isSorted: Bool

    /// - Throws: `FileError` naming the line that is no class, or that gives a number or an id again.
    public init(contentsOf path: String) throws {
        var entries: [Entry] = []
        var numbers: Set<Int> = [], wnids: Set<String> = []
        for (index, line) in lines(of: try readText(path)).enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            let place = "\(path):\(index + 1)"
            let pair = Self.isWnid(first) ? words.prefix(2).reversed() : Array(words.prefix(2))
            guard pair.count == 2, let number = Int(pair[0]), number >= 0, Self.isWnid(pair[1]) else {
                throw FileError("\(place): expected a number, an id such as n01440764, and a name, found \"\(line.prefix(60))\"")
            }
            guard numbers.insert(number).inserted, wnids.insert(pair[1]).inserted else {
                throw FileError("\(place): \(number) or \(pair[1]) was given before")
            }
            let name = words.dropFirst(2).joined(separator: " ")
            entries.append(Entry(number: number, wnid: pair[1], name: name.isEmpty ? pair[1] : name))
        }
        guard !entries.isEmpty else { throw FileError("the class list \(path) holds no class") }
        self.entries = entries.sorted { $0.number < $1.number }
        (self.path, isSorted) = (path, false)
    }

    /// Ids in sorted order, numbered from 0.
    init(wnids: [String]) {
        entries = wnids.sorted().enumerated().map { Entry(number: $0, wnid: $1, name: $1) }
        (path, isSorted) = ("the sorted folders", true)
    }

    /// `n` and eight digits.
    static func isWnid(_ word: String) -> Bool {
        word.utf8.count == 9 && word.hasPrefix("n") && word.utf8.dropFirst().allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
