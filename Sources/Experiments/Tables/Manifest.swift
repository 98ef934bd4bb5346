// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// `MANIFEST` of an output folder: what the last report made there. A line a file: the CRC-32 of its bytes, a blank, its path in
/// the folder. A report removes nothing but what it lists and nobody changed since; files of others may be named alike.
struct Manifest {
    static let name = "MANIFEST"
    private let folder: String
    /// By path.
    private let checksums: [String: String]

    /// The one in the folder; empty where there is none.
    /// - Throws: `FileError` for a line that is none of ours, or names a file that a report does not make.
    init(of folder: String) throws {
        self.folder = folder
        let path = "\(folder)/\(Self.name)"
        var checksums: [String: String] = [:]
        for (index, line) in (FileManager.default.fileExists(atPath: path) ? lines(of: try readText(path)) : []).enumerated() {
            guard let parts = line.wholeMatch(of: /([0-9a-f]{8}) (.+)/)?.output, Self.isOurs(String(parts.2)) else {
                throw FileError("\(path):\(index + 1): expected a checksum and a file of a report; delete \(path) and run the report again")
            }
            checksums[String(parts.2)] = String(parts.1)
        }
        self.checksums = checksums
    }

    /// Of the files as they are now.
    init(listing paths: Set<String>, in folder: String) throws {
        self.folder = folder
        checksums = try Dictionary(uniqueKeysWithValues: paths.map { ($0, crc32Hex(try readFile("\(folder)/\($0)"))) })
    }

    func write() throws {
        let text = paths.sorted().map { "\(checksums[$0] ?? "") \($0)\n" }.joined()
        try writeAtomically(Data(text.utf8), to: "\(folder)/\(Self.name)")
    }

    var paths: Set<String> { Set(checksums.keys) }
    func lists(_ path: String) -> Bool { checksums[path] != nil }

    /// Whether the file has the bytes that the report gave it.
    func isUnchanged(_ path: String) -> Bool {
        guard let data = try? readFile("\(folder)/\(path)") else { return false }
        return checksums[path] == crc32Hex(data)
    }

    /// Files that it lists besides these, and that are still there.
    func leftOver(besides paths: Set<String>) -> [String] {
        self.paths.subtracting(paths).filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)") }.sorted()
    }

    /// Whether a report may make a file of this path: no other is removed, whatever a manifest says.
    private static func isOurs(_ path: String) -> Bool {
        let others = /paper\/[a-z-]+\.tex|figures\/hero[a-z0-9-]*\.(csv|gp|svg|png)|regress\/intervals\.csv|index\.html|README\.md/
        return path.wholeMatch(of: /((figures|tables)\/)?(table|figure)[0-9][A-Za-z0-9._-]*\.(csv|md|tex|gp|svg|png)/) != nil
            || path.wholeMatch(of: others) != nil
    }
}
