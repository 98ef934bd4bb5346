# Draws figure5.svg and figure5.png; by hand, in this folder: gnuplot figure5.gp
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
    set output "figure5." . extension
    set multiplot layout 1,3 title "Quantized weights δq against w, standard normal weights"
    set xlabel "w"
    set xrange [-3:3]
    set yrange [-3:3]
    set key top left
    set title "1 and 2 bits"
    plot x with lines dashtype 2 linecolor "grey" title "w", \
        "figure5-1.csv" using "w":"binary" with steps linetype 1 linewidth 6 title "binary", \
        "figure5-1.csv" using "w":"ternary" with steps linetype 2 linewidth 4 title "ternary", \
        "figure5-1.csv" using "w":"authors-ternary" with steps linetype 3 linewidth 2 title "authors-ternary"
    set title "3 bits"
    plot x with lines dashtype 2 linecolor "grey" title "w", \
        "figure5-1.csv" using "w":"lloyd-3" with steps linetype 1 linewidth 4 title "lloyd-3", \
        "figure5-1.csv" using "w":"exact-3" with steps linetype 2 linewidth 2 title "exact-3"
    set title "4 bits"
    plot x with lines dashtype 2 linecolor "grey" title "w", \
        "figure5-1.csv" using "w":"lloyd-4-1" with steps linetype 1 linewidth 6 title "lloyd-4-1", \
        "figure5-1.csv" using "w":"lloyd-4" with steps linetype 2 linewidth 4 title "lloyd-4", \
        "figure5-1.csv" using "w":"exact-4" with steps linetype 3 linewidth 2 title "exact-4"
    unset multiplot
}
set output
