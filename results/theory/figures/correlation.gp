# Draws correlation.svg and correlation.png; by hand, in this folder: gnuplot correlation.gp
do for [extension in "svg png"] {
    reset
    set encoding utf8
    set datafile separator comma
    set datafile missing ""
    set linetype 1 linecolor rgb "#0072B2" linewidth 2 pointtype 7 pointsize 0.8 dashtype solid
    set linetype 2 linecolor rgb "#D55E00" linewidth 2 pointtype 5 pointsize 0.8 dashtype solid
    set linetype 3 linecolor rgb "#009E73" linewidth 2 pointtype 9 pointsize 0.8 dashtype solid
    set linetype 4 linecolor rgb "#CC79A7" linewidth 2 pointtype 11 pointsize 0.8 dashtype solid
    set linetype 5 linecolor rgb "#E69F00" linewidth 2 pointtype 13 pointsize 0.8 dashtype solid
    set linetype 6 linecolor rgb "#56B4E9" linewidth 2 pointtype 6 pointsize 0.8 dashtype solid
    set linetype 7 linecolor rgb "#000000" linewidth 2 pointtype 4 pointsize 0.8 dashtype solid
    set linetype 8 linecolor rgb "#0072B2" linewidth 2 pointtype 7 pointsize 0.8 dashtype "-"
    set linetype 9 linecolor rgb "#D55E00" linewidth 2 pointtype 5 pointsize 0.8 dashtype "-"
    set linetype 10 linecolor rgb "#009E73" linewidth 2 pointtype 9 pointsize 0.8 dashtype "-"
    set linetype 11 linecolor rgb "#CC79A7" linewidth 2 pointtype 11 pointsize 0.8 dashtype "-"
    set linetype 12 linecolor rgb "#E69F00" linewidth 2 pointtype 13 pointsize 0.8 dashtype "-"
    set linetype 13 linecolor rgb "#56B4E9" linewidth 2 pointtype 6 pointsize 0.8 dashtype "-"
    set linetype 14 linecolor rgb "#000000" linewidth 2 pointtype 4 pointsize 0.8 dashtype "-"
    set linetype cycle 14
    set border 3 linecolor rgb "#404040"
    set grid back linetype 1 linecolor rgb "#d8d8d8" linewidth 1 dashtype solid
    set tics nomirror out scale 0.6
    set key noenhanced Left reverse opaque samplen 2.5
    if (extension eq "svg") {
        set terminal svg size 900,600 font "DejaVu Sans,14" background "#ffffff"
    } else { if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
        set terminal pngcairo size 900,600 font "DejaVu Sans,11" background "#ffffff"
    } else {
        set terminal png size 900,600 font "DejaVu Sans,11" background "#ffffff"
    } }
    set output "correlation." . extension
    set multiplot
    set lmargin 11
    set xrange [0:pi]; set yrange [*:*]
    set size 1,0.68; set origin 0,0.32
    set xtics ("" 0, "" pi/4, "" pi/2, "" 3*pi/4, "" pi)
    unset xlabel
    set ylabel "⟨E g, ∂f/∂w⟩"
    set key top left
    plot "correlation-identity-formula.csv" using "theta":"formula" with lines lt 3 notitle, \
      "correlation-identity.csv" using "theta":"measured":(5*column("standard_error")) with yerrorbars lt 3 title "identity", \
      "correlation-relu-formula.csv" using "theta":"formula" with lines lt 1 notitle, \
      "correlation-relu.csv" using "theta":"measured":(5*column("standard_error")) with yerrorbars lt 1 title "ReLU", \
      "correlation-clipped-formula.csv" using "theta":"formula" with lines lt 2 notitle, \
      "correlation-clipped.csv" using "theta":"measured":(5*column("standard_error")) with yerrorbars lt 2 title "clipped ReLU"
    set size 1,0.34; set origin 0,0
    set xtics ("0" 0, "π/4" pi/4, "π/2" pi/2, "3π/4" 3*pi/4, "π" pi)
    set xlabel "angle θ between w and w*"
    set ylabel "difference / SE"
    set yrange [-5:5]
    difference(x) = (column("measured")-column("formula"))/column("standard_error")
    plot "correlation-identity.csv" using "theta":(difference(0)) with points lt 3 notitle, \
      "correlation-relu.csv" using "theta":(difference(0)) with points lt 1 notitle, \
      "correlation-clipped.csv" using "theta":(difference(0)) with points lt 2 notitle
    unset multiplot
}
set output
