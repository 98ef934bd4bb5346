# Draws figure7.svg and figure7.png; by hand, in this folder: gnuplot figure7.gp
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
    set output "figure7." . extension
    set multiplot layout 2,2 title "LSQ, PACT and DoReFa at 2 bits, step size 1/3"
    set key top left
    set xlabel "x"
    set xrange [-0.5:1.5]
    set yrange [-0.1:1.6]
    set title "σ(x, s)"
    plot "figure7-1.csv" using "x":"lsq-2" with lines linetype 1 linewidth 6 title "lsq-2", \
        "figure7-1.csv" using "x":"pact-2" with lines linetype 2 linewidth 4 title "pact-2", \
        "figure7-1.csv" using "x":"dorefa-2" with lines linetype 3 linewidth 2 title "dorefa-2"
    set title "coarse derivative in x"
    plot "figure7-1.csv" using "x":"lsq-2 in x" with lines linetype 1 linewidth 6 title "lsq-2 in x", \
        "figure7-1.csv" using "x":"pact-2 in x" with lines linetype 2 linewidth 4 title "pact-2 in x", \
        "figure7-1.csv" using "x":"dorefa-2 in x" with lines linetype 3 linewidth 2 title "dorefa-2 in x"
    set yrange [-0.6:4.5]
    set title "coarse derivative in s"
    plot "figure7-1.csv" using "x":"lsq-2 in s" with lines linetype 1 linewidth 6 title "lsq-2 in s", \
        "figure7-1.csv" using "x":"pact-2 in s" with lines linetype 2 linewidth 4 title "pact-2 in s", \
        "figure7-1.csv" using "x":"dorefa-2 in s" with lines linetype 3 linewidth 2 title "dorefa-2 in s"
    set title "weights"
    set xlabel "w"
    set xrange [-1.5:1.5]
    set yrange [-1.8:1.8]
    plot x with lines dashtype 2 linecolor "grey" title "w", \
        "figure7-2.csv" using "w":"lsq-2 weights" with steps linetype 1 linewidth 4 title "lsq-2 weights", \
        "figure7-2.csv" using "w":"dorefa-2 weights" with steps linetype 2 linewidth 2 title "dorefa-2 weights"
    unset multiplot
}
set output
