// SPDX-License-Identifier: GPL-3.0-or-later

/// A page in one file that needs no network: style, script, pictures and numbers are in it. It reads without the script, on a phone, in
/// dark mode, from the keyboard, and printed.
public struct Page: Sendable {
    private let title, introduction: String
    /// Seconds after which the page loads itself anew; nil for never.
    private let refresh: Int?
    private var sections: [(title: String, body: HTML)] = []

    public init(_ title: String, introduction: String, refresh: Int? = nil) {
        (self.title, self.introduction, self.refresh) = (title, introduction, refresh)
    }

    public mutating func add(_ title: String, _ body: HTML) { sections.append((title, body)) }

    public var text: String {
        let links = sections.indices.map { "<li><a href=\"#part\($0 + 1)\">\(escapedForHTML(sections[$0].title))</a></li>" }.joined()
        let parts = sections.enumerated().map { index, section in
            "<section id=\"part\(index + 1)\"><h2>\(escapedForHTML(section.title))</h2>\n\(section.body.markup)</section>\n"
        }.joined()
        let again = refresh.map { "<noscript><meta http-equiv=\"refresh\" content=\"\($0)\"></noscript>\n" } ?? ""
        return """
            <!DOCTYPE html>
            <!-- made by reproduce report -->
            <html lang="en"><head><meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="\(Self.policy)">
            \(again)<title>\(escapedForHTML(title))</title>
            <style>
            \(String(decoding: PackageResources.page_css, as: UTF8.self))</style></head>
            <body data-refresh="\(refresh ?? 0)"><a class="skip" href="#main">To the results</a>
            <header><h1>\(escapedForHTML(title))</h1><p>\(escapedForHTML(introduction))</p>
            <nav aria-label="Parts"><ul>\(links)</ul></nav></header>
            <main id="main">
            \(parts)</main>
            <script>
            \(String(decoding: PackageResources.page_js, as: UTF8.self))</script></body></html>

            """
    }

    /// Nothing is loaded from anywhere.
    private static let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
}
