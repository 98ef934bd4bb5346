// SPDX-License-Identifier: GPL-3.0-or-later
import Theory
import Reporting

/// The figures that the tables of a run allow.
func theoryFigures(_ tables: [DataTable]) -> [(figure: Figure, caption: String)] {
    let byName = Dictionary(uniqueKeysWithValues: tables.map { ($0.name, $0) })
    return drawings.compactMap { drawing in
        let used = drawing.tables.compactMap { byName[$0] }
        guard used.count == drawing.tables.count else { return nil }
        let data = used.map { ("\($0.name).csv", csv($0)) }
        return (Figure(name: drawing.name, body: drawing.body, data: data), drawing.caption)
    }
}

/// The blocks of a table as one CSV table with a leading column `curve`, from 0.
private func csv(_ table: DataTable) -> CSVTable {
    CSVTable(
        header: ["curve"] + table.columns,
        rows: table.blocks.enumerated().flatMap { curve, rows in rows.map { row in ["\(curve)"] + row.map { "\($0)" } } })
}

private struct Drawing {
    let name: String
    let caption: String
    let tables: [String]
    let body: String
}

private let drawings =
    modelDrawings + [
        Drawing(
            name: "shares",
            caption:
                "Share of random starts whose normalised descent ends at the global minimum, against s² relative to the spurious "
                + "minimum's threshold (95 % Clopper–Pearson intervals)",
            tables: ["shares"],
            body: """
                set key bottom right
                set xrange [-0.02:1.25]; set yrange [0.45:1.02]
                set xlabel "s² / (½(m+1)‖v*‖²)"
                set ylabel "share ending at the global minimum"
                titles = "'m = 2, n = 3' 'm = 4, n = 6' 'm = 8, n = 12' 'm = 16, n = 32' 'm = 64, n = 64'"
                plot for [k=0:4] "shares.csv" using "x":(column("curve")==k ? column("global") : NaN):"low95":"high95" with yerrorlines lt \
                1+k title word(titles, k+1)
                """),
        Drawing(
            name: "alpha_sign_map",
            caption:
                "Share of wrong signs of E g_α with the optimal v, over the angle and α/α* (white 0, orange ½, blue 1; above b = 2, below "
                + "b = 4); the a.e. rule's E g_α is 0 everywhere",
            tables: ["alpha_sign_map"],
            body: """
                set multiplot layout 2,5
                unset key
                unset grid
                set palette defined (0 "#ffffff", 0.5 "#E69F00", 1 "#0072B2")
                set cbrange [0:1]
                unset colorbox
                set xrange [0:pi]; set yrange [-2.1:2.1]
                set xtics ("0" 0, "π/2" pi/2, "π" pi)
                set ytics ("¼" -2, "½" -1, "1" 0, "2" 1, "4" 2)
                set lmargin 5; set rmargin 1
                titles = "three-valued two-valued minimum half LSQ"
                do for [k=0:9] {
                    set title word(titles, k%5+1) . (k < 5 ? ", b = 2" : ", b = 4")
                    set xlabel (k < 5 ? "" : "θ")
                    set ylabel (k%5 == 0 ? "α/α*" : "") offset 1,0
                    plot "alpha_sign_map.csv" every ::(k*420)::(k*420+419) using "theta":(log(column("ratio"))/log(2)):"wrong" with image
                }
                unset multiplot
                """)
    ]

private let modelDrawings = [
    Drawing(
        name: "correlation",
        caption:
            "Correlation of the coarse with the true gradient against the angle: measured points with error bars of five standard errors, "
            + "formulas as lines (below: the differences in standard errors)",
        tables: ["relu", "clipped", "identity"].flatMap { ["correlation-\($0)", "correlation-\($0)-formula"] },
        body: """
            set multiplot
            set lmargin 11
            set xrange [0:pi]; set yrange [*:*]
            set size 1,0.68; set origin 0,0.32
            set xtics ("" 0, "" pi/4, "" pi/2, "" 3*pi/4, "" pi)
            unset xlabel
            set ylabel "⟨E g, ∂f/∂w⟩"
            set key top left
            plot "correlation-identity-formula.csv" using "theta":"formula" with lines lt 3 notitle, \\
              "correlation-identity.csv" using "theta":"measured":(5*column("standard_error")) with yerrorbars lt 3 title "identity", \\
              "correlation-relu-formula.csv" using "theta":"formula" with lines lt 1 notitle, \\
              "correlation-relu.csv" using "theta":"measured":(5*column("standard_error")) with yerrorbars lt 1 title "ReLU", \\
              "correlation-clipped-formula.csv" using "theta":"formula" with lines lt 2 notitle, \\
              "correlation-clipped.csv" using "theta":"measured":(5*column("standard_error")) with yerrorbars lt 2 title "clipped ReLU"
            set size 1,0.34; set origin 0,0
            set xtics ("0" 0, "π/4" pi/4, "π/2" pi/2, "3π/4" 3*pi/4, "π" pi)
            set xlabel "angle θ between w and w*"
            set ylabel "difference / SE"
            set yrange [-5:5]
            difference(x) = (column("measured")-column("formula"))/column("standard_error")
            plot "correlation-identity.csv" using "theta":(difference(0)) with points lt 3 notitle, \\
              "correlation-relu.csv" using "theta":(difference(0)) with points lt 1 notitle, \\
              "correlation-clipped.csv" using "theta":(difference(0)) with points lt 2 notitle
            unset multiplot
            """),
    Drawing(
        name: "descent", caption: "Loss and angle along normalised coarse gradient descent from eight starts with the same targets",
        tables: ["descent_curves"],
        body: """
            set multiplot layout 2,1
            set lmargin 9
            unset key
            unset xlabel
            set yrange [*:*]
            set ytics auto
            set ylabel "loss f"
            plot for [k=0:7] "descent_curves.csv" using "step":(column("curve")==k ? column("loss") : NaN) with lines lt 1+k
            set ylabel "angle θ"
            set xlabel "step"
            set yrange [0:pi]
            set ytics ("0" 0, "π/2" pi/2, "π" pi)
            plot for [k=0:7] "descent_curves.csv" using "step":(column("curve")==k ? column("theta") : NaN) with lines lt 1+k
            unset multiplot
            """),
    Drawing(
        name: "phase_portrait",
        caption:
            "Phase portrait of normalised descent in (θ, vᵀv*) for ‖v*‖ = 1, 1ᵀv* = 0: global minimum (0, 1), spurious minimum (π, −1), "
            + "saddle (π/2, 0)",
        tables: ["phase_portrait"],
        body: """
            unset key
            set xrange [0:pi]; set yrange [-1.15:1.15]
            set xtics ("0" 0, "π/4" pi/4, "π/2" pi/2, "3π/4" 3*pi/4, "π" pi)
            set xlabel "angle θ between w and w*"
            set ylabel "vᵀv*"
            set label 1 " global minimum" at 0,1 point pt 7 ps 1.5 lc rgb "#009E73" left offset 0.6,0.6 front
            set label 2 "spurious minimum " at pi,-1 point pt 7 ps 1.5 lc rgb "#D55E00" right offset -0.6,-0.6 front
            set label 3 " saddle" at pi/2,0 point pt 7 ps 1.5 lc rgb "#000000" left offset 0.6,0.6 front
            plot for [k=0:34] "phase_portrait.csv" using "theta":(column("curve")==k ? column("overlap") : NaN) with lines lt 1 lw 1, \\
              for [k=0:34] "" using "theta":(column("curve")==k ? column("overlap") : NaN) every ::(k*125)::(k*125) with points lt 1 pt 6 \
            ps 0.5
            """),
    Drawing(
        name: "norm_collapse",
        caption:
            "‖w‖ and the loss along descent without normalisation (m = 6, n = 8, η = 0.01, eight starts): where ‖w‖ collapses, the loss "
            + "jumps",
        tables: ["norm_collapse"],
        body: """
            set multiplot layout 2,1
            set lmargin 9
            unset key
            unset xlabel
            set xrange [0:15]
            set logscale y
            set format y "10^{%T}"
            set ylabel "‖w‖"
            plot for [k=0:7] "norm_collapse.csv" using "eta_t":(column("curve")==k ? column("norm_w") : NaN) with lines lt 1+k
            unset logscale y
            set format y "%g"
            set ylabel "loss f"
            set xlabel "ηt"
            plot for [k=0:7] "norm_collapse.csv" using "eta_t":(column("curve")==k ? column("loss") : NaN) with lines lt 1+k
            unset multiplot
            """),
    Drawing(
        name: "sufficient_descent",
        caption:
            "Slack of the sufficient-descent inequality, in units of L‖Δw_q‖², at the first 15 steps of each run that moved the quantized "
            + "weights; below 0 it would be violated",
        tables: ["sufficient_descent"],
        body: """
            set logscale xy
            set key bottom right
            set format y "10^{%T}"
            set xlabel "ρ/(ηL)"
            set ylabel "slack / (L‖Δw_q‖²)"
            plot "sufficient_descent.csv" using "rho_over_eta_l":(column("ternary")==0 ? column("slack") : NaN) with points lt 1 pt 7 ps \
            0.3 title "binary", \\
              "" using "rho_over_eta_l":(column("ternary")==1 ? column("slack") : NaN) with points lt 2 pt 7 ps 0.3 title "ternary"
            """),
    Drawing(
        name: "mini_batch",
        caption: "Distance of mini-batch descent from the population path after 40 steps against the batch size, with the fitted slope",
        tables: ["mini_batch"],
        body: """
            set logscale xy
            set xlabel "batch size B"
            set ylabel "root-mean-square error in (v, w)"
            plot "mini_batch.csv" using "batch":"fit" with lines lt 2 title "fit", \\
              "" using "batch":"rms_error":"standard_error" with yerrorbars lt 1 title "measured"
            """),
    Drawing(
        name: "descent_fractions",
        caption: "Share of normalised descents that end at the global minimum, against the starting angle (95 % Clopper–Pearson intervals)",
        tables: ["descent_fractions"],
        body: """
            # The sizes of each curve, for the key; statistics obey ranges, so these come later.
            set xrange [*:*]; set yrange [*:*]
            stats "descent_fractions.csv" using "curve" nooutput
            curves = int(STATS_max)
            titles = ""
            do for [k=0:curves] {
                stats "descent_fractions.csv" using (column("curve")==k ? column("m") : NaN):"n" nooutput
                titles = titles . sprintf("'m = %d, n = %d' ", STATS_max_x, STATS_max_y)
            }
            set xrange [0:pi]; set yrange [-0.05:1.05]
            set xtics ("0" 0, "π/4" pi/4, "π/2" pi/2, "3π/4" 3*pi/4, "π" pi)
            set xlabel "starting angle θ0"
            set ylabel "share ending at the global minimum"
            plot for [k=0:curves] "descent_fractions.csv" using (column("theta0")+0.02*k):(column("curve")==k ? column("global") : \
            NaN):"low95":"high95" \\
              with yerrorbars lt 1+k title word(titles, k+1)
            """)
]
