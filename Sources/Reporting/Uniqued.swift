// SPDX-License-Identifier: GPL-3.0-or-later

extension Sequence where Element: Equatable {
    /// Each element once, in the order of first appearance.
    package func uniqued() -> [Element] {
        reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
}
