# Draws figure1-cifar-10-brief-unofficial.svg and figure1-cifar-10-brief-unofficial.png; by hand, in this folder: gnuplot figure1-cifar-10-brief-unofficial.gp
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
    set output "figure1-cifar-10-brief-unofficial." . extension
    set title 'Figure 1: validation curves of BCGD and BinaryConnect (BC), CIFAR-10 (unofficial files), protocol brief' noenhanced
    set xlabel "epoch" offset 0,0.5
    set xtics 1
    set ylabel "test top-1 accuracy (%)"
    set key below noopaque
    plot "figure1-cifar-10-brief-unofficial-1.csv" using "epoch":"low":"high" with filledcurves linetype 1 fillstyle transparent solid 0.2 noborder notitle, \
        "figure1-cifar-10-brief-unofficial-2.csv" using "epoch":"low":"high" with filledcurves linetype 2 fillstyle transparent solid 0.2 noborder notitle, \
        "figure1-cifar-10-brief-unofficial-1.csv" using "epoch":"mean" with lines linetype 1 title 'resnet20-1w4a-bcgd, f32, mean and range of 3 seeds', \
        "figure1-cifar-10-brief-unofficial-2.csv" using "epoch":"mean" with lines linetype 2 title 'resnet20-1w4a-bcgd, mixed, mean and range of 3 seeds', \
        "figure1-cifar-10-brief-unofficial-3.csv" using "epoch":"mean" with lines linetype 3 title 'resnet20-1w4a-bc, f32, 1 seed', \
        "figure1-cifar-10-brief-unofficial-4.csv" using "epoch":"mean" with lines linetype 4 title 'vgg11-1w4a-bcgd, mixed, 1 seed', \
        "figure1-cifar-10-brief-unofficial-5.csv" using "epoch":"mean" with lines linetype 5 title 'vgg11-1w4a-bc, mixed, 1 seed'
}
set output
