// SPDX-License-Identifier: GPL-3.0-or-later

/// The look that all figures share.
public enum FigureStyle {
    /// Okabe and Ito's colours, which stay apart under every common colour blindness; without the yellow, too faint on white.
    public static let palette = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]

    /// gnuplot's point types, one per colour, that stay apart when small: disc, square, triangles, diamond, ring, frame.
    private static let points = [7, 5, 9, 11, 13, 6, 4]

    /// gnuplot commands that set the style; line type k (from 1) is colour k of the palette, then the colours again, dashed.
    static let commands: String = {
        let count = palette.count
        let lines = (0..<2 * count).map { index in
            "set linetype \(index + 1) linecolor rgb \"\(palette[index % count])\" linewidth 2 pointtype \(points[index % count]) "
                + "pointsize 0.8 dashtype \(index < count ? "solid" : "\"-\"")"
        }
        return """
            set encoding utf8
            set datafile separator comma
            set datafile missing ""
            \(lines.joined(separator: "\n"))
            set linetype cycle \(2 * count)
            set border 3 linecolor rgb "#404040"
            set grid back linetype 1 linecolor rgb "#d8d8d8" linewidth 1 dashtype solid
            set tics nomirror out scale 0.6
            set key noenhanced Left reverse opaque samplen 2.5
            """
    }()

    /// What follows gnuplot's `plot` for columns of a file whose equal values lie on each other: later lines are thinner.
    /// - Parameters:
    ///   - columns: the lines, by their heads.
    ///   - file: as gnuplot is to find it.
    ///   - x: the head of the horizontal axis' column.
    ///   - style: gnuplot's, such as `lines` or `steps`.
    public static func overlaid(_ columns: [String], of file: String, against x: String, with style: String) -> String {
        let lines = columns.enumerated().map { index, column in
            "\"\(file)\" using \"\(x)\":\"\(column)\" with \(style) linetype \(index + 1) linewidth \(2 * (columns.count - index)) title "
                + "\"\(column)\""
        }
        return lines.joined(separator: ", \\\n    ")
    }

    /// gnuplot commands that choose the terminal for the extension in the variable `extension` (svg or png).
    static func terminal(_ size: (width: Int, height: Int)) -> String {
        """
        if (extension eq "svg") {
            set terminal svg size \(size.width),\(size.height) font "DejaVu Sans,14" background "#ffffff"
        } else { if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
            set terminal pngcairo size \(size.width),\(size.height) font "DejaVu Sans,11" background "#ffffff"
        } else {
            set terminal png size \(size.width),\(size.height) font "DejaVu Sans,11" background "#ffffff"
        } }
        """
    }
}
