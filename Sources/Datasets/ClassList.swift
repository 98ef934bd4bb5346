// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// ImageNet classes by their WordNet id, each with a number and a name.
///
/// As a text file: a line a class with the number, the id (`n` and eight digits) and the name in words, in this order or with
/// the id first; empty lines and those that begin with `#` don't count.
///
/// The classes of ImageNet-1k have known places among its scores: a list that gives one of them another is refused, for every
/// label would then be wrong without a word.
public struct ClassList: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        /// As `Numbering` says.
        public let number: Int
        public let wnid: String
        public let name: String
    }

    /// What the numbers are.
    public enum Numbering: Sendable {
        /// The places in a classifier's scores, from 0, for ImageNet-1k's classes those of sorted ids, as torchvision has it.
        case places
        /// The `ILSVRC2012_ID`s of the development kit, from 1, in another order.
        case kitIDs
    }

    /// By ascending number.
    public let entries: [Entry]
    public let path: String
    /// Whether the numbers are places among more classes than these; if not, they only count the sorted ids.
    let hasPlaces: Bool

    /// - Throws: `FileError` naming the line that is no class, that gives a number, an id or a name again, or a class of
    ///   ImageNet-1k a place that is not its own; or when there are fewer than two classes.
    public init(contentsOf path: String, numbering: Numbering = .places) throws {
        var entries: [Entry] = []
        var numbers: Set<Int> = [], wnids: Set<String> = []
        for (index, line) in lines(of: try readText(path)).enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            let place = "\(path):\(index + 1)"
            let pair = Self.isWnid(first) ? words.prefix(2).reversed() : Array(words.prefix(2))
            guard pair.count == 2, let number = Int(pair[0]), (0..<1_000_000).contains(number), Self.isWnid(pair[1]) else {
                throw FileError("\(place): expected a number, an id such as n01440764, and a name, found \"\(line.prefix(60))\"")
            }
            guard numbers.insert(number).inserted, wnids.insert(pair[1]).inserted else {
                throw FileError("\(place): \(number) or \(pair[1]) was given before")
            }
            let name = words.dropFirst(2).joined(separator: " ")
            let entry = Entry(number: number, wnid: pair[1], name: name.isEmpty ? pair[1] : name)
            if numbering == .places { try Self.expectOwnPlace(entry, after: entries, place) }
            entries.append(entry)
        }
        guard !entries.isEmpty else { throw FileError("the class list \(path) holds no class") }
        switch numbering {
        case .places:
            guard entries.count > 1 else {
                throw FileError("the class list \(path) holds one class: there is nothing to tell apart (a line a class is expected)")
            }
        case .kitIDs: try Self.expectKitIDs(entries, path)
        }
        self.entries = entries.sorted { $0.number < $1.number }
        (self.path, hasPlaces) = (path, true)
    }

    private static func expectOwnPlace(_ entry: Entry, after others: [Entry], _ place: String) throws {
        if let own = ImageNetClasses.places[entry.wnid], own != entry.number {
            throw FileError(
                "\(place): \(entry.wnid) has place \(own) among ImageNet-1k's classes (sorted ids, counted from 0), not \(entry.number); "
                    + "with another number every accuracy would be wrong")
        }
        if others.contains(where: { $0.name == entry.name }) {
            throw FileError("\(place): a class named \(entry.name) was given before; give one of them another name")
        }
    }

    /// `ILSVRC2012_ID`s are not the places of sorted ids.
    private static func expectKitIDs(_ entries: [Entry], _ path: String) throws {
        func areSorted(from first: Int) -> Bool {
            entries.count > 1 && entries.allSatisfy { ImageNetClasses.places[$0.wnid] == $0.number - first }
        }
        if areSorted(from: 0) || areSorted(from: 1) {
            throw FileError(
                "\(path) numbers the classes by sorted WordNet ids, which ILSVRC2012_IDs are not: make it from the development kit's "
                    + "meta.mat with Experiments/pytorch/devkit_synsets.py")
        }
    }

    /// Ids in sorted order, with their places where all of them are ImageNet-1k's, else numbered from 0.
    /// - Throws: `FileError` when there are fewer than two.
    init(wnids: [String], in folder: String) throws {
        guard wnids.count > 1 else {
            throw FileError("\(folder) holds one class, \(wnids.first ?? "none"): there is nothing to tell apart")
        }
        let sorted = wnids.sorted(), places = sorted.compactMap { ImageNetClasses.places[$0] }
        hasPlaces = places.count == sorted.count
        let numbers = hasPlaces ? places : Array(sorted.indices)
        entries = zip(numbers, sorted).map { Entry(number: $0, wnid: $1, name: $1) }
        path = "the sorted folders"
    }

    /// The first that is none of ImageNet-1k's classes.
    var foreignWnid: String? { entries.map(\.wnid).first { ImageNetClasses.places[$0] == nil } }

    /// These are the 1000 classes of ImageNet-1k.
    var isImageNet1k: Bool { entries.map(\.wnid) == ImageNetClasses.wnids }

    /// `n` and eight digits.
    static func isWnid(_ word: String) -> Bool {
        word.utf8.count == 9 && word.hasPrefix("n")
            && word.utf8.dropFirst().allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
