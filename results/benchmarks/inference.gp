# Draws inference.svg and inference.png; by hand, in this folder: gnuplot inference.gp
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
    set output "inference." . extension
    set xrange [-0.6:7.6]
    set yrange [0:*]
    set offsets 0, 0, 0.7, 0
    set xtics ("resnet20\nbatch 1\n1 thread" 0, "resnet20\nbatch 1\n2 threads" 1, "resnet20\nbatch 64\n1 thread" 2, "resnet20\nbatch 64\n2 threads" 3, "resnet18\nbatch 1\n1 thread" 4, "resnet18\nbatch 1\n2 threads" 5, "resnet18\nbatch 64\n1 thread" 6, "resnet18\nbatch 64\n2 threads" 7) noenhanced
    set key outside top center horizontal
    set bmargin 5
    set ylabel "speed (ONNX Runtime float = 1)"
    set title 'Inference of a 1W4A network, labels in ms a call' noenhanced
    plot "inference-chart.csv" using (column("x")+-0.3200):"speed0":(0.1472) with boxes fill solid 0.85 linetype 1 title "ONNX Runtime float", \
        "inference-chart.csv" using (column("x")+-0.3200):"speed0":"ms0" with labels rotate left offset 0,0.4 font ",8" notitle, \
        "inference-chart.csv" using (column("x")+-0.1600):"speed1":(0.1472) with boxes fill solid 0.85 linetype 2 title "ONNX Runtime int8", \
        "inference-chart.csv" using (column("x")+-0.1600):"speed1":"ms1" with labels rotate left offset 0,0.4 font ",8" notitle, \
        "inference-chart.csv" using (column("x")+0.0000):"speed2":(0.1472) with boxes fill solid 0.85 linetype 3 title "PyTorch", \
        "inference-chart.csv" using (column("x")+0.0000):"speed2":"ms2" with labels rotate left offset 0,0.4 font ",8" notitle, \
        "inference-chart.csv" using (column("x")+0.1600):"speed3":(0.1472) with boxes fill solid 0.85 linetype 4 title "packed, VNNI", \
        "inference-chart.csv" using (column("x")+0.1600):"speed3":"ms3" with labels rotate left offset 0,0.4 font ",8" notitle, \
        "inference-chart.csv" using (column("x")+0.3200):"speed4":(0.1472) with boxes fill solid 0.85 linetype 5 title "packed", \
        "inference-chart.csv" using (column("x")+0.3200):"speed4":"ms4" with labels rotate left offset 0,0.4 font ",8" notitle

}
set output
