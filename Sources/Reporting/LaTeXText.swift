// SPDX-License-Identifier: GPL-3.0-or-later

/// Text that LaTeX sets as it reads here: special characters escaped, mathematical ones as math.
///
/// By scalars, as LaTeX reads: an `&` that a combining mark follows is another character to Swift.
public func escapedForLaTeX(_ text: String) -> String {
    joined(text.flatMap(texPieces))
}

/// The same for text with formulas in it, such as `w_q⁺ = 2√(2π)‖v*‖²`: single letters but the article are variables
/// (and products such as `Pw`), `_` and `^` with the word, braces or parentheses that follow are subscripts and superscripts.
public func formulaForLaTeX(_ text: String) -> String {
    // Once a call: a regex is compiled when it is first used.
    let sizes = /([0-9]+)x([0-9]+)/, numbers = /-?[0-9]+(?:\.[0-9]+)?(?:e[-−]?[0-9]+)?/
    let scripts = /([_^])(?:\{([^}]*)\}|\(([^)]*)\)|([a-z]+|[α-ω]+))/
    let words = /'?[A-Za-z]+[0-9]*/, variables = /[b-zA-Z]|[JP][vw]/
    var pieces: [Piece] = []
    var rest = Substring(text)
    while let character = rest.first {
        if let size = rest.prefixMatch(of: sizes) {
            pieces.append(Piece("\(size.1)\\times\(size.2)", isMath: true))
            rest = rest[size.range.upperBound...]
        } else if let number = rest.prefixMatch(of: numbers)?.output {
            pieces += number.flatMap { texPieces($0 == "-" ? "−" : $0) }
            rest = rest.dropFirst(number.count)
        } else if let match = rest.prefixMatch(of: scripts) {
            let content = match.2 ?? match.3 ?? match.4 ?? ""
            // What is in it is set upright, and as mathematics already.
            pieces.append(Piece(String(match.1) + "{\\mathrm{" + content.flatMap(texPieces).map(\.text).joined() + "}}", isMath: true))
            rest = rest[match.range.upperBound...]
        } else if let word = rest.prefixMatch(of: words)?.output {  // the s of “layer's” is none
            pieces.append(Piece(String(word), isMath: word.wholeMatch(of: variables) != nil))
            rest = rest.dropFirst(word.count)
        } else {
            pieces += character == "*" ? [Piece("^{*}", isMath: true)] : texPieces(character)
            rest = rest.dropFirst()
        }
    }
    return joined(pieces)
}

private struct Piece {
    let text: String
    let isMath: Bool

    init(_ text: String, isMath: Bool) { (self.text, self.isMath) = (text, isMath) }
}

/// Of a character that is known as a whole (p̂), or of each of its scalars.
private func texPieces(_ character: Character) -> [Piece] {
    if let math = mathematics[character] { return [Piece(math, isMath: true)] }
    return character.unicodeScalars.map { scalar in
        if let math = mathematics[Character(scalar)] { return Piece(math, isMath: true) }
        return Piece(escapes[scalar] ?? (isLineEndOrControl(scalar) ? " " : String(scalar)), isMath: false)
    }
}

/// Neighbouring mathematics shares its dollars, so that `w⁺` is one formula.
private func joined(_ pieces: [Piece]) -> String {
    var (text, isMath, isRaised) = ("", false, false)
    for piece in pieces {
        if piece.isMath != isMath { text += "$" }
        // A command's name ends before a letter.
        if isMath, piece.isMath, text.last?.isLetter == true, piece.text.first?.isLetter == true { text += " " }
        // TeX refuses a second superscript on one base.
        if isRaised, piece.text.first == "^" { text += "{}" }
        text += piece.text
        (isMath, isRaised) = (piece.isMath, piece.isMath && piece.text.first == "^")
    }
    return text + (isMath ? "$" : "")
}

private let escapes: [Unicode.Scalar: String] = [
    "\\": "\\textbackslash{}", "&": "\\&", "%": "\\%", "$": "\\$", "#": "\\#", "_": "\\_", "{": "\\{", "}": "\\}",
    "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "[": "{[}", "]": "{]}", "\"": "''", "–": "--", "’": "'", "‘": "`", "“": "``",
    "”": "''", "…": "\\dots{}"
]

private let mathematics: [Character: String] = [
    "<": "<", ">": ">", "|": "|", "±": "\\pm", "−": "-", "×": "\\times", "·": "\\cdot", "≤": "\\le", "≥": "\\ge", "≠": "\\ne",
    "√": "\\surd",
    "‖": "\\Vert", "⟨": "\\langle", "⟩": "\\rangle", "∂": "\\partial", "∇": "\\nabla", "Σ": "\\Sigma", "Δ": "\\Delta", "∞": "\\infty",
    "←": "\\leftarrow",
    "½": "\\frac12", "¼": "\\frac14", "⅛": "\\frac18", "ᵀ": "^{\\top}", "⁺": "^{+}", "⁻": "^{-}", "¹": "^{1}", "²": "^{2}", "³": "^{3}",
    "⁴": "^{4}", "⁵": "^{5}", "⁶": "^{6}", "⁷": "^{7}", "⁸": "^{8}", "⁹": "^{9}", "p̂": "\\hat p", "′": "'",
    "α": "\\alpha", "δ": "\\delta", "η": "\\eta", "θ": "\\theta", "λ": "\\lambda", "ρ": "\\rho", "σ": "\\sigma", "μ": "\\mu", "π": "\\pi",
    "φ": "\\varphi", "ξ": "\\xi", "ℓ": "\\ell", "ᵢ": "_{i}", "β": "\\beta", "Γ": "\\Gamma", "γ": "\\gamma", "ε": "\\varepsilon",
    "κ": "\\kappa", "ν": "\\nu",
    "τ": "\\tau", "χ": "\\chi", "ψ": "\\psi", "ω": "\\omega", "∫": "\\int", "∥": "\\parallel",
    "→": "\\to", "ā": "\\bar a", "c̄": "\\bar c", "v̄": "\\bar v",
    "z̃": "\\tilde z",
    "w̃": "\\tilde w", "₀": "_{0}", "₁": "_{1}", "₂": "_{2}", "₅": "_{5}", "₊": "_{+}", "₋": "_{-}"
]
