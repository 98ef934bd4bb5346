// SPDX-License-Identifier: GPL-3.0-or-later

/// A message as one line for a terminal, whatever a file that it quotes holds: control characters (line ends, escape sequences)
/// and line separators as `\n` or `\u{1b}`, and what goes beyond 4000 characters left out.
public func oneLine(_ message: String) -> String {
    var line = String.UnicodeScalarView(), count = 0
    for scalar in message.unicodeScalars {
        guard count < 4000 else { return String(line) + " …" }
        count += 1
        switch (scalar, scalar.properties.generalCategory) {
        case ("\n", _): line.append(contentsOf: "\\n".unicodeScalars)
        case ("\r", _): line.append(contentsOf: "\\r".unicodeScalars)
        case ("\t", _): line.append(contentsOf: "\\t".unicodeScalars)
        case (_, .control), (_, .lineSeparator), (_, .paragraphSeparator):
            line.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
        default: line.append(scalar)
        }
    }
    return String(line)
}
