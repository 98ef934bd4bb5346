// SPDX-License-Identifier: GPL-3.0-or-later

/// Whether `text` may name a cell, a network and the like, and with them files: at most 100 ASCII letters, digits and `-_.+`,
/// the first a letter or digit. Such a name means nothing special to a shell, gnuplot, LaTeX (but for `_`) or a spreadsheet.
public func isName(_ text: String) -> Bool {
    isLabel(text, punctuation: "-_.+") && text.utf8.allSatisfy { $0 < 0x80 }
}

/// Whether `text` may name a data set: at most 100 letters, digits, blanks and `-_.,()+&`, the first a letter or digit.
public func isLabel(_ text: String) -> Bool { isLabel(text, punctuation: " -_.,()+&") }

/// Whether `text` is one line of letters, digits, punctuation, symbols and blanks that no spreadsheet takes for a formula. Control,
/// format and combining characters are none of these: they hide what stands beside them, or change its meaning.
public func isPlainText(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy(isPlain) && !(text.unicodeScalars.first.map { "=+-@".unicodeScalars.contains($0) } ?? false)
}

/// What `isPlainText` asks for, in words.
public let plainTextRule = "text without control and combining characters that begins with none of = + - @"

/// Text of a file for a message: the first 100 characters, what does not show or would move the cursor as `\u{1B}`.
public func visible(_ text: String) -> String {
    text.unicodeScalars.prefix(100).map { isPlain($0) ? String($0) : "\\u{\(String($0.value, radix: 16, uppercase: true))}" }.joined()
}

private func isLabel(_ text: String, punctuation: String) -> Bool {
    let scalars = text.unicodeScalars
    guard let first = scalars.first, scalars.count <= 100 else { return false }
    func isLetterOrDigit(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .otherLetter, .decimalNumber: true
        default: false
        }
    }
    return isLetterOrDigit(first) && scalars.allSatisfy { isLetterOrDigit($0) || punctuation.unicodeScalars.contains($0) }
}

func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .nonspacingMark, .spacingMark, .enclosingMark: false
    default: true
    }
}
