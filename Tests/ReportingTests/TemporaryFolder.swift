// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Runs `body` with a fresh folder that is removed afterwards.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "bcgd-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
}

func text(of path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

/// The message of the error that `body` throws; empty when it throws none.
func message(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)" }
    return ""
}
