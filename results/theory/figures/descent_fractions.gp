# Draws descent_fractions.svg and descent_fractions.png; by hand, in this folder: gnuplot descent_fractions.gp
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
    set output "descent_fractions." . extension
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
    plot for [k=0:curves] "descent_fractions.csv" using (column("theta0")+0.02*k):(column("curve")==k ? column("global") : NaN):"low95":"high95" \
      with yerrorbars lt 1+k title word(titles, k+1)
}
set output
