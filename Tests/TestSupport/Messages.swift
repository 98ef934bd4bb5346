// SPDX-License-Identifier: GPL-3.0-or-later
import Testing

/// The message of the error that `body` has to throw; every message must be one line.
public func message(_ body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) -> String {
    do { try body() } catch {
        let text = String(describing: error)
        #expect(!text.contains("\n"), sourceLocation: sourceLocation)
        return text
    }
    Issue.record("no error was thrown", sourceLocation: sourceLocation)
    return ""
}
