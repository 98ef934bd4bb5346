// SPDX-License-Identifier: GPL-3.0-or-later

/// A data set by its name in rows, tables and descriptions of runs: one of the registry, some classes of one, or one's own.
public struct DatasetID: Hashable, Sendable, CustomStringConvertible {
    public let name: String
    public var description: String { name }

    public init(_ name: String) { self.name = name }

    /// The data set with so many training images in place of the test images (`ValidationSplit`); itself for 0.
    public func validating(_ count: Int) -> DatasetID { count == 0 ? self : DatasetID("\(name), \(count) validation images") }

    /// Without what `validating` says, and what it says: 0 where it says nothing.
    var whole: String { parts.whole }
    public var validationImages: Int { parts.count }

    private var parts: (whole: String, count: Int) {
        guard let match = name.firstMatch(of: /^(.*), ([0-9]+) validation images$/), let count = Int(match.2) else { return (name, 0) }
        return (String(match.1), count)
    }

    /// Some classes of a data set, or other ones than its own: never the plain name, as published numbers are those of all of it.
    public init(_ classes: Int, classesOf whole: KnownDataset) { name = "\(whole.rawValue), \(classes) classes" }

    /// The registry's data set that it is, or is a part of; `nil` for one's own.
    public var known: KnownDataset? { KnownDataset(rawValue: whole) ?? KnownDataset.allCases.first(where: isPart) }

    /// Whether it is but some classes of a data set of the registry.
    public var isPart: Bool { KnownDataset.allCases.contains(where: isPart) }

    private func isPart(of whole: KnownDataset) -> Bool {
        guard self.whole.hasPrefix(whole.rawValue),
            let match = self.whole.dropFirst(whole.rawValue.count).wholeMatch(of: /, ([0-9]+) classes/)
        else { return false }
        return Int(match.1) != nil
    }

    /// As it stands in names of files: lower-case letters, digits, and single hyphens for all else.
    public var slug: String { name.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }.joined(separator: "-") }
}

extension Dataset {
    public var id: DatasetID { DatasetID(name) }
}
