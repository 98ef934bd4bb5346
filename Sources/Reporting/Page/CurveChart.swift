// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

extension HTML {
    /// Curves against the epoch as SVG, each with the band of its runs; a legend, and the numbers for page.js.
    /// - Parameters:
    ///   - title: above the chart.
    ///   - unit: of the values, said on the axis.
    ///   - digits: of the values, behind the point.
    ///   - curves: with at least one point each.
    public static func chart(_ title: String, unit: String, digits: Int = 2, _ curves: [ValidationCurve]) -> HTML {
        precondition(!curves.isEmpty && curves.allSatisfy { !$0.points.isEmpty }, "a curve needs points")
        let axes = ChartAxes(curves)
        let series = curves.indices.map { axes.series(curves[$0], number: $0) }.joined()
        let legend = curves.indices.map { index in
            let style = SeriesStyle(index)
            return
                "<li class=\"\(style.name)\"><span class=\"key\" "
                + "style=\"color:\(style.color)\"></span>\(escapedForHTML(curves[index].label))</li>"
        }.joined()
        let ends = curves.map { "\($0.label) ends at \(rounded($0.points[$0.points.count - 1].mean, digits))" }.joined(separator: "; ")
        return HTML(
            markup: """
                <figure data-chart><figcaption>\(escapedForHTML(title))</figcaption>
                <svg viewBox="0 0 900 420" role="img" aria-label="\(escapedForHTML("\(title), \(unit) against the epoch: \(ends)"))">
                \(axes.grid)<text x="8" y="14">\(escapedForHTML(unit))</text><text x="880" y="414" text-anchor="end">epoch</text>
                \(series)</svg>
                <ul class="legend">\(legend)</ul>
                <script type="application/json">\(axes.data(curves, digits))</script></figure>

                """)
    }
}

private func rounded(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

/// Of a curve, from 0: a colour of the palette, dashed when all colours are used up.
private struct SeriesStyle {
    let color, name: String

    init(_ index: Int) {
        let palette = FigureStyle.palette.map { $0 == "#000000" ? "currentColor" : $0 }  // black is no colour in dark mode
        (color, name) = (palette[index % palette.count], index / palette.count % 2 == 0 ? "series" : "series dashed")
    }
}

/// Where values lie in a drawing of 900 by 420.
private struct ChartAxes {
    private let first, last: Int
    private let low, high, step: Double
    private let left = 60.0, right = 880.0, top = 22.0, bottom = 380.0

    init(_ curves: [ValidationCurve]) {
        let points = curves.flatMap(\.points),
            values = points.flatMap { [$0.mean] + ($0.range.map { [$0.lowerBound, $0.upperBound] } ?? []) }
        // A constant curve has a height, too, which its size can be added to.
        let least = values.min() ?? 0, most = max(values.max() ?? 1, least + 1e-6 * max(1, abs(least)))
        step = Self.step(over: most - least, at: 6)
        (low, high) = (floor(least / step) * step, ceil(most / step) * step)
        (first, last) = (points.map(\.epoch).min() ?? 1, points.map(\.epoch).max() ?? 1)
    }

    /// 1, 2 or 5 times a power of ten, at which lines part a range above 0 into no more than so many pieces.
    private static func step(over range: Double, at most: Int) -> Double {
        let raw = range / Double(most), power = pow(10, floor(log10(raw)))
        return [1, 2, 5, 10].map { $0 * power }.first { $0 >= raw } ?? raw
    }

    private func x(_ epoch: Int) -> Double { left + Double(epoch - first) / Double(max(last - first, 1)) * (right - left) }
    private func y(_ value: Double) -> Double { bottom - (value - low) / (high - low) * (bottom - top) }
    private func place(_ epoch: Int, _ value: Double) -> String { String(format: "%.1f,%.1f", x(epoch), y(value)) }

    var grid: String {
        let across = stride(from: low, through: high + step / 2, by: step).map { value in
            let height = y(value)
            return String(
                format:
                    "<line class=\"grid\" x1=\"60\" x2=\"880\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"54\" y=\"%.1f\" "
                    + "text-anchor=\"end\">%g</text>\n",
                height, height, height + 4, value)
        }
        let every = last - first <= 12 ? 1 : Int(Self.step(over: Double(last - first), at: 12))
        let along = (first...last).filter { $0 % every == 0 || first == last }.map { epoch in
            String(format: "<text x=\"%.1f\" y=\"397\" text-anchor=\"middle\">%d</text>\n", x(epoch), epoch)
        }
        return (across + along).joined()
    }

    func series(_ curve: ValidationCurve, number: Int) -> String {
        let points = curve.points, style = SeriesStyle(number)
        let upper = points.compactMap { point in point.range.map { place(point.epoch, $0.upperBound) } }
        let lower = points.compactMap { point in point.range.map { place(point.epoch, $0.lowerBound) } }
        let band = upper.isEmpty ? "" : "<polygon class=\"band\" points=\"\((upper + lower.reversed()).joined(separator: " "))\"/>"
        let line = points.map { place($0.epoch, $0.mean) }.joined(separator: " ")
        return "<g class=\"\(style.name)\" style=\"color:\(style.color)\">\(band)<polyline class=\"curve\" points=\"\(line)\"/></g>\n"
    }

    /// The numbers, as JSON that no text in it can end.
    func data(_ curves: [ValidationCurve], _ digits: Int) -> String {
        let series = curves.map { curve in
            let points = curve.points.map { "[\($0.epoch),\(rounded($0.mean, digits))]" }.joined(separator: ",")
            return "{\"label\":\(json(curve.label)),\"points\":[\(points)]}"
        }
        let frame = "\"frame\":[\(left),\(right),\(top),\(bottom)],\"x\":[\(first),\(last)],\"y\":[\(low),\(high)]"
        return "{\(frame),\"series\":[\(series.joined(separator: ","))]}"
    }

    private func json(_ text: String) -> String {
        let encoded = (try? JSONEncoder().encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
        return encoded.unicodeScalars.map { $0 == "<" ? "\\u003c" : String($0) }.joined()
    }
}
