// SPDX-License-Identifier: GPL-3.0-or-later

/// The look that all figures share.
public enum FigureStyle {
    /// Okabe and Ito's colours, which stay apart under every common colour blindness; without the yellow, too faint on white.
    public static let palette = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]

    /// gnuplot commands that set the style; line type k (from 1) is colour k of the palette, then the colours again, dashed.
    static let commands: String = {
        let count = palette.count
        let lines = (0..<2 * count).map { index in
            "set linetype \(index + 1) linecolor rgb \"\(palette[index % count])\" linewidth 2 pointtype \(index % count + 4) pointsize 0.6"
                + " dashtype \(index < count ? "solid" : "\"-\"")"
        }
        return """
            set encoding utf8
            set datafile separator comma
            set datafile missing ""
            \(lines.joined(separator: "\n"))
            set linetype cycle \(2 * count)
            set border 3 linecolor rgb "#404040"
            set grid linecolor rgb "#d8d8d8" linewidth 1 dashtype solid
            set tics nomirror out scale 0.6
            set key noenhanced opaque samplen 2.5
            """
    }()

    /// gnuplot commands that choose the terminal for the extension in the variable `extension` (svg or png).
    static let terminal = """
        if (extension eq "svg") {
            set terminal svg size 900,600 font "DejaVu Sans,14" background "#ffffff"
        } else { if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
            set terminal pngcairo size 900,600 font "DejaVu Sans,11" background "#ffffff"
        } else {
            set terminal png size 900,600 font "DejaVu Sans,11" background "#ffffff"
        } }
        """
}
