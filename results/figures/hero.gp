# Draws hero.svg and hero.png; by hand, in this folder: gnuplot hero.gp
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
        set terminal svg size 1500,460 font "DejaVu Sans,14" background "#ffffff"
    } else { if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
        set terminal pngcairo size 1500,460 font "DejaVu Sans,11" background "#ffffff"
    } else {
        set terminal png size 1500,460 font "DejaVu Sans,11" background "#ffffff"
    } }
    set output "hero." . extension
    set multiplot layout 1,3
    set title 'resnet20 1W4A, CIFAR-10, 200 epochs' noenhanced
    set xlabel "epoch"
    set ylabel "test top-1 (%)"
    set key bottom right
    set yrange [*:*] noextend
    plot "hero-1.csv" using "epoch":"low":"high" with filledcurves linetype 1 fillstyle transparent solid 0.2 noborder notitle, \
        "hero-2.csv" using "epoch":"low":"high" with filledcurves linetype 2 fillstyle transparent solid 0.2 noborder notitle, \
        "hero-1.csv" using "epoch":"mean" with lines linetype 1 title 'BCGD, mean and range of 2 seeds', \
        "hero-2.csv" using "epoch":"mean" with lines linetype 2 title 'BinaryConnect, mean and range of 2 seeds'
    unset xlabel
    set title "a training step, times as fast as PyTorch's best f32"
    unset ylabel
    set xrange [-0.6:2.6]
    set yrange [0:*]
    set offsets 0, 0, 0.5, 0
    set xtics ('resnet20 1w4a' 0, 'vgg11 1w4a' 1, 'resnet18 1w4a' 2) noenhanced
    set key top right
    plot "hero-speed.csv" using (column("x")-0.2667):"speed1":(0.2453) with boxes fill solid 0.85 linetype 3 title 'PyTorch f32', \
        "hero-speed.csv" using (column("x")-0.2667):"speed1":(sprintf("%.1f", column("speed1"))) with labels offset 0,0.6 font ",9" notitle, \
        "hero-speed.csv" using (column("x")+0.0000):"speed2":(0.2453) with boxes fill solid 0.85 linetype 4 title 'PyTorch bf16', \
        "hero-speed.csv" using (column("x")+0.0000):"speed2":(sprintf("%.1f", column("speed2"))) with labels offset 0,0.6 font ",9" notitle, \
        "hero-speed.csv" using (column("x")+0.2667):"speed3":(0.2453) with boxes fill solid 0.85 linetype 5 title 'this suite', \
        "hero-speed.csv" using (column("x")+0.2667):"speed3":(sprintf("%.1f", column("speed3"))) with labels offset 0,0.6 font ",9" notitle
    set title "coarse · true gradient: formulas, Monte Carlo as points"
    set offsets 0, 0, 0, 0
    set xrange [0:pi]
    set yrange [*:*]
    set xtics ("0" 0, "π/4" pi/4, "π/2" pi/2, "3π/4" 3*pi/4, "π" pi)
    set xlabel "angle between w and w*"
    set ylabel "inner product"
    set key bottom center
    plot "hero-formula-1.csv" using "theta":"formula" with lines linetype 1 title 'identity', \
        "hero-measured-1.csv" using "theta":"measured" with points linetype 1 notitle, \
        "hero-formula-2.csv" using "theta":"formula" with lines linetype 2 title 'ReLU', \
        "hero-measured-2.csv" using "theta":"measured" with points linetype 2 notitle, \
        "hero-formula-3.csv" using "theta":"formula" with lines linetype 3 title 'clipped ReLU', \
        "hero-measured-3.csv" using "theta":"measured" with points linetype 3 notitle
    unset multiplot
}
set output
