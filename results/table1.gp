# Draws table1.svg and table1.png; by hand, in this folder: gnuplot table1.gp
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
    set output "table1." . extension
    set multiplot
    set xrange [0.72:15.28]
    set xtics 2
    set lmargin at screen 0.095; set rmargin at screen 0.97
    set tmargin at screen 0.92; set bmargin at screen 0.44
    set title 'CIFAR-10, protocol short' noenhanced
    set label 1 "top-1 accuracy (%)" at screen 0.02, 0.68 center rotate
    set format x ""
    set key bottom right
    plot "table1-1.csv" using "epoch":"validation_accuracy" with linespoints linetype 1 title 'resnet20 32W32A float, seed 1', \
        "table1-2.csv" using "epoch":"validation_accuracy" with linespoints linetype 2 title 'resnet20 1W4A bcgd, seed 1', \
        "table1-3.csv" using "epoch":"validation_accuracy" with linespoints linetype 3 title 'resnet20 1W4A bcgd, seed 1, mixed', \
        "table1-4.csv" using "epoch":"validation_accuracy" with linespoints linetype 4 title 'resnet20 1W4A bc, seed 1', \
        "table1-1.csv" using "epoch":"train_accuracy" with linespoints linewidth 1.5 dashtype (2,3) pointsize 0.4 linetype 1 notitle, \
        "table1-2.csv" using "epoch":"train_accuracy" with linespoints linewidth 1.5 dashtype (2,3) pointsize 0.4 linetype 2 notitle, \
        "table1-3.csv" using "epoch":"train_accuracy" with linespoints linewidth 1.5 dashtype (2,3) pointsize 0.4 linetype 3 notitle, \
        "table1-4.csv" using "epoch":"train_accuracy" with linespoints linewidth 1.5 dashtype (2,3) pointsize 0.4 linetype 4 notitle, \
        NaN with linespoints linewidth 1.5 dashtype (2,3) pointsize 0.4 linecolor rgb "#707070" title "on training images"
    set tmargin at screen 0.40; set bmargin at screen 0.11
    unset title
    set label 1 "training loss" at screen 0.02, 0.255 center rotate
    set xlabel "epoch" offset 0,0.3
    set format x "%g"
    plot "table1-1.csv" using "epoch":"loss" with linespoints linetype 1 notitle, \
        "table1-2.csv" using "epoch":"loss" with linespoints linetype 2 notitle, \
        "table1-3.csv" using "epoch":"loss" with linespoints linetype 3 notitle, \
        "table1-4.csv" using "epoch":"loss" with linespoints linetype 4 notitle
    unset multiplot
}
set output
