# Draws figure3.svg and figure3.png; by hand, in this folder: gnuplot figure3.gp
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
    set output "figure3." . extension
    set multiplot layout 1,3 title "Quantized ReLU and its coarse derivatives, b = 2, α = 1"
    set xlabel "x"
    set xrange [-2:5]
    set yrange [-0.2:4.4]
    set key top left
    set title "σ(x, α)"
    plot "figure3-1.csv" using "x":"sigma" with lines linetype 1 linewidth 3 notitle
    set title "in x"
    plot "figure3-1.csv" using "x":"clipped-relu" with lines linetype 1 linewidth 6 title "clipped-relu", \
        "figure3-1.csv" using "x":"relu" with lines linetype 2 linewidth 4 title "relu", \
        "figure3-1.csv" using "x":"identity" with lines linetype 3 linewidth 2 title "identity"
    set title "in α"
    plot "figure3-1.csv" using "x":"three-valued" with lines linetype 1 linewidth 8 title "three-valued", \
        "figure3-1.csv" using "x":"almost-everywhere" with lines linetype 2 linewidth 6 title "almost-everywhere", \
        "figure3-1.csv" using "x":"two-valued" with lines linetype 3 linewidth 4 title "two-valued", \
        "figure3-1.csv" using "x":"minimum" with lines linetype 4 linewidth 2 title "minimum"
    unset multiplot
}
set output
