// SPDX-License-Identifier: GPL-3.0-or-later

/// The words as one line that a shell takes apart into the same words.
///
/// In single quotes where a character could mean something; with control, combining or invisible characters as `$'…'` (POSIX.1-2024,
/// bash, zsh), their bytes in octal, so that the line stays one line and shows what it does.
/// - Parameter forAnyShell: only control characters are written so, as Debian's `sh` does not know it.
public func shellCommand(_ words: [String], forAnyShell: Bool = false) -> String {
    words.map { shellWord($0, forAnyShell: forAnyShell) }.joined(separator: " ")
}

private func shellWord(_ word: String, forAnyShell: Bool) -> String {
    let plain = "@%+=:,./-_".utf8
    func isSafe(_ byte: UInt8) -> Bool {
        plain.contains(byte) || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
    if !word.isEmpty, word.utf8.allSatisfy(isSafe) { return word }
    guard !word.unicodeScalars.allSatisfy({ forAnyShell ? $0.properties.generalCategory != .control : isPlain($0) }) else {
        return "'" + word.unicodeScalars.map { $0 == "'" ? "'\\''" : String($0) }.joined() + "'"
    }
    return "$'" + word.utf8.map { isSafe($0) || $0 == 0x20 ? String(UnicodeScalar($0)) : octal($0) }.joined() + "'"
}

/// A byte as `\ooo`, three digits, as C, shells and gnuplot's double quotes have it.
package func octal(_ byte: UInt8) -> String {
    "\\" + [byte >> 6, byte >> 3 & 7, byte & 7].map { String($0) }.joined()
}
