# Draws phase_portrait.svg and phase_portrait.png; by hand, in this folder: gnuplot phase_portrait.gp
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
    set output "phase_portrait." . extension
    unset key
    set xrange [0:pi]; set yrange [-1.15:1.15]
    set xtics ("0" 0, "π/4" pi/4, "π/2" pi/2, "3π/4" 3*pi/4, "π" pi)
    set xlabel "angle θ between w and w*"
    set ylabel "vᵀv*"
    set label 1 " global minimum" at 0,1 point pt 7 ps 1.5 lc rgb "#009E73" left offset 0.6,0.6 front
    set label 2 "spurious minimum " at pi,-1 point pt 7 ps 1.5 lc rgb "#D55E00" right offset -0.6,-0.6 front
    set label 3 " saddle" at pi/2,0 point pt 7 ps 1.5 lc rgb "#000000" left offset 0.6,0.6 front
    plot for [k=0:34] "phase_portrait.csv" using "theta":(column("curve")==k ? column("overlap") : NaN) with lines lt 1 lw 1, \
      for [k=0:34] "" using "theta":(column("curve")==k ? column("overlap") : NaN) every ::(k*125)::(k*125) with points lt 1 pt 6 ps 0.5
}
set output
