// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// The image files of a folder and of the folders in it, by their names' endings (jpg, jpeg, png, ppm, pgm), sorted by path; hidden ones
/// do not count.
/// - Throws: `FileError` when it cannot be read, or holds none.
public func imageFiles(in folder: String) throws -> [String] {
    let endings: Set = ["jpg", "jpeg", "png", "ppm", "pgm"]
    func files(_ folder: String, depth: Int) throws -> [String] {
        guard depth < 32 else { throw FileError("\(folder) lies deeper than 32 folders: a link to a folder around it?") }
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: folder) } catch {
            throw FileError("cannot read the folder \(folder)")
        }
        return try names.filter { !$0.hasPrefix(".") }.sorted().flatMap { name in
            let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
            if isFolder(path) { return try files(path, depth: depth + 1) }
            return endings.contains((name as NSString).pathExtension.lowercased()) ? [path] : []
        }
    }
    let found = try files(folder, depth: 0)
    guard !found.isEmpty else {
        throw FileError("\(folder) holds no images: expected files that end in \(endings.sorted().joined(separator: ", "))")
    }
    return found
}
