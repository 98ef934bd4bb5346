# Draws alpha_sign_map.svg and alpha_sign_map.png; by hand, in this folder: gnuplot alpha_sign_map.gp
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
    set output "alpha_sign_map." . extension
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
}
set output
