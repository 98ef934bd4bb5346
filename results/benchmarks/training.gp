# Draws training.svg and training.png; by hand, in this folder: gnuplot training.gp
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
    set output "training." . extension
    set xrange [-0.6:2.6]
    set yrange [0:*]
    set offsets 0, 0, 0.35, 0
    set xtics ('resnet20 1w4a' 0, 'vgg11 1w4a' 1, 'resnet18 1w4a' 2) noenhanced
    set key outside bottom center horizontal
    set ylabel "speed of a training step (PyTorch's best f32 = 1)"
    set title 'Training step, 2 threads, labels in ms' noenhanced
    plot "training-chart.csv" using (column("x")+-0.3000):"speed0":(0.1840) with boxes fill solid 0.85 linetype 1 title "PyTorch f32", \
        "training-chart.csv" using (column("x")+-0.3000):"speed0":"ms0" with labels offset 0,0.6 font ",10" notitle, \
        "training-chart.csv" using (column("x")+-0.1000):"speed1":(0.1840) with boxes fill solid 0.85 linetype 2 title "PyTorch bf16 autocast", \
        "training-chart.csv" using (column("x")+-0.1000):"speed1":"ms1" with labels offset 0,0.6 font ",10" notitle, \
        "training-chart.csv" using (column("x")+0.1000):"speed2":(0.1840) with boxes fill solid 0.85 linetype 3 title "this engine, f32", \
        "training-chart.csv" using (column("x")+0.1000):"speed2":"ms2" with labels offset 0,0.6 font ",10" notitle, \
        "training-chart.csv" using (column("x")+0.3000):"speed3":(0.1840) with boxes fill solid 0.85 linetype 4 title "this engine, mixed", \
        "training-chart.csv" using (column("x")+0.3000):"speed3":"ms3" with labels offset 0,0.6 font ",10" notitle

}
set output
