// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation
import Training

/// Two checkpoints, or all of two output folders, compared bit for bit.
public struct CheckpointComparison {
    /// One line for each pair that is equal, and for each difference.
    public let lines: [String]
    public let areEqual: Bool

    /// - Parameters:
    ///   - first: a checkpoint, or a folder with checkpoints: an output folder, or its folder `checkpoints`.
    ///   - second: likewise.
    /// - Throws: `FileError` where there is nothing to compare, and what reading checkpoints throws.
    public init(_ first: String, _ second: String) throws {
        let (a, b) = (try Self.checkpoints(first), try Self.checkpoints(second))
        var (lines, areEqual) = ([String](), true)
        for name in Set(a.keys).union(b.keys).sorted() {
            guard let x = a[name], let y = b[name] else {
                (lines, areEqual) = (lines + ["\(name): only in \(a[name] == nil ? second : first)"], false)
                continue
            }
            let (one, other) = (try Checkpoint(path: x), try Checkpoint(path: y)), differences = one.differences(from: other)
            lines +=
                differences.isEmpty
                ? ["\(name.isEmpty ? first : name): equal (\(one.extent))"] : differences.map { "\(name.isEmpty ? first : name): \($0)" }
            areEqual = areEqual && differences.isEmpty
        }
        (self.lines, self.areEqual) = (lines, areEqual)
    }

    /// Paths by names; a file by itself has the empty name.
    private static func checkpoints(_ path: String) throws -> [String: String] {
        guard FileManager.default.fileExists(atPath: path) else { throw FileError("there is no \(path)") }
        guard isFolder(path) else { return ["": path] }
        for folder in ["\(path)/checkpoints", path] {
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { $0.hasSuffix(".safetensors") }
            if !names.isEmpty { return Dictionary(uniqueKeysWithValues: names.map { ($0, "\(folder)/\($0)") }) }
        }
        throw FileError("\(path) holds no checkpoints (*.safetensors)")
    }
}
