// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Reporting
import TestSupport
import Testing

/// The page as text, and in a real browser.
struct PageTests {
    private let hostile = "</script><script>document.title='stolen'</script>\u{338}\"' onload=x & <b>"

    private func page(refresh: Int? = nil) -> String {
        var page = Page("Results", introduction: hostile, refresh: refresh)
        let table = TextTable(
            header: ["Network", "Bits", "Top-1, %"],
            rows: [
                ["resnet20", "1W4A", "9.5"], ["vgg11", "1W4A", "89.38 [88.8, 90.0]"], ["resnet20", "4W4A", "–"], [hostile, "2W4A", "−1.5"]
            ])
        page.add(
            "Runs",
            .table(
                "Runs", table, last: table.rows.map { .details("source", [("command", $0[0])]) }, lastTitle: "Source",
                filters: ["Network", "Bits"]))
        let curves = [
            ValidationCurve(label: "bcgd", runs: [[1: 50, 2: 60, 3: 70], [1: 54, 2: 60, 3: 72]]),
            ValidationCurve(label: hostile, runs: [[1: 40, 2: 10, 3: 40]])
        ]
        page.add("Learning curves", .joined([.heading(hostile), .chart("cells", unit: "top-1, %", curves), .progress(3, of: 10)]))
        page.add("Pictures", .picture(png: Data([137, 80, 78, 71]), caption: hostile, alternative: hostile))
        return page.text
    }

    /// What a text is in HTML, counted by scalars: the overlay U+0338 joins the `>` before it to one Swift character.
    @Test func textIsNoMarkup() {
        #expect(escapedForHTML("a<b>\u{338}&\"'\u{0}\n") == "a&lt;b&gt;\u{338}&amp;&quot;&#39; \n")
        let page = page(refresh: 30)
        // The page's own script and the numbers of one chart; none of the hostile text's.
        #expect(page.unicodeScalars.split(separator: "<").count { String($0).hasPrefix("script") } == 2)
        #expect(
            !page.contains("<b>") && page.contains("http-equiv=\"refresh\" content=\"30\"")
                && !self.page().contains("http-equiv=\"refresh\""))
    }

    /// Of one value, however large, and over many epochs: few lines and labels.
    @Test(arguments: [1e20, 0, -3e-9]) func axesOfConstantAndOfLongCurves(_ value: Double) {
        let points = Dictionary(uniqueKeysWithValues: stride(from: 1, through: 99_991, by: 10).map { ($0, value) })
        var page = Page("Results", introduction: "", refresh: nil)
        page.add("Curves", .chart("constant", unit: "%", [ValidationCurve(label: "c", runs: [points])]))
        let lines = page.text.ranges(of: "<line class=\"grid\"").count, labels = page.text.ranges(of: "<text").count
        #expect((2...20).contains(lines) && (4...40).contains(labels), "\(lines) lines, \(labels) labels")
    }

    /// Nothing is loaded from a network: no address but data within the page.
    @Test func thePageStandsAlone() {
        let addresses = page().matches(of: /(?:src|href)="([^"]*)"/).map { String($0.1) }
        #expect(addresses.allSatisfy { $0.hasPrefix("#") || $0.hasPrefix("data:image/png;base64,") }, "\(addresses)")
        #expect(!page().contains("url(") && !page().contains("@import"))
    }

    /// A script in the page's place plays the reader: each line is what it then sees.
    private static let reader = """
        <script>
        const lines = [];
        const visible = () => [...document.querySelectorAll("tbody tr")].filter((row) => !row.hidden).map((row) => \
        row.cells[2].textContent).join(",");
        const [network, bits] = document.querySelectorAll("select");
        lines.push("all " + visible());
        const sorters = [...document.querySelectorAll("th button")];
        sorters[2].click();
        lines.push("ascending " + visible() + " " + sorters[2].parentNode.getAttribute("aria-sort"));
        sorters[2].click();
        lines.push("descending " + visible());
        network.value = "resnet20";
        network.dispatchEvent(new Event("change"));
        lines.push("filtered " + visible() + " " + document.querySelector("output").textContent + " " + location.hash);
        const svg = document.querySelector("svg"), box = svg.getBoundingClientRect(), readout = () => svg.nextElementSibling.textContent;
        svg.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width * 470 / 900, clientY: box.top + 9 }));
        lines.push("hover " + readout());
        const legend = document.querySelector(".legend button");
        legend.click();
        lines.push("without the first " + readout() + " " + legend.getAttribute("aria-pressed") + " " + \
        document.querySelector("g.series").style.display);
        svg.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
        lines.push("key " + readout());
        const line = document.querySelectorAll(".curve")[1], before = line.getAttribute("points"), smooth = document.querySelector("input");
        smooth.click();
        lines.push("smoothed " + new Set(line.getAttribute("points").split(" ").map((each) => Number(each.split(",")[1]).toFixed(3))).size);
        smooth.click();
        lines.push("title " + document.title);
        lines.push("parts " + [...document.querySelectorAll("h2")].map((each) => each.textContent).join(","));
        lines.push("images " + [...document.querySelectorAll("img")].every((each) => each.alt));
        document.body.innerHTML = "";
        document.body.append(Object.assign(document.createElement("pre"), { textContent: "BEGIN\\n" + lines.join("\\n") + "\\nEND" }));
        </script>
        """

    static var browser: String? {
        ["chromium", "chromium-browser", "google-chrome"].map { "/usr/bin/\($0)" }.first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }

    @Test(.enabled(if: PageTests.browser != nil, "install the Debian package chromium to try the page in a browser"))
    func aBrowserFiltersSortsAndHovers() throws {
        let folder = try TemporaryFolder(), browser = try #require(Self.browser)
        let file = try folder.write(page().replacing("</body>", with: Self.reader + "</body>"), to: "index.html")
        let run = Process(), output = Pipe()
        run.executableURL = URL(fileURLWithPath: browser)
        run.arguments = [
            "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=\(folder.path)/profile", "--window-size=1000,800", "--dump-dom",
            "file://\(file)"
        ]
        (run.standardOutput, run.standardError) = (output, FileHandle.nullDevice)
        try run.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        run.waitUntilExit()
        let lines = text.components(separatedBy: "\n").drop { !$0.hasSuffix("BEGIN") }.dropFirst().prefix {
            $0 != "END</pre>" && !$0.hasPrefix("END")
        }
        // 52 = (50 + 54)/2 and so on; smoothed over up to five epochs, three points of the second curve are all 30.
        let expected = [
            "all 9.5,89.38 [88.8, 90.0],–,−1.5", "ascending −1.5,9.5,89.38 [88.8, 90.0],– ascending",
            "descending 89.38 [88.8, 90.0],9.5,−1.5,–",
            "filtered 9.5,– 2 of 4 rows #Network=resnet20", "hover epoch 2 · bcgd: 60 · \(hostile): 10",
            "without the first epoch 2 · \(hostile): 10 false none", "key epoch 3 · \(hostile): 40", "smoothed 1", "title Results",
            "parts Runs,Learning curves,Pictures", "images true"
        ]
        // Literally, as the overlay joins the semicolon before it, too.
        let seen = lines.map { line in
            [("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")].reduce(line) { $0.replacingOccurrences(of: $1.0, with: $1.1, options: .literal) }
        }
        #expect(seen == expected, "\(text.suffix(3000))")
    }
}
