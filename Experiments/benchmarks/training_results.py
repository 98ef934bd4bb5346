# SPDX-License-Identifier: GPL-3.0-or-later
"""What the training benchmark says of its times: bounds from the peaks, ratios, the CSV and the bar chart."""
import csv
import os
import statistics
import subprocess

COLUMNS = ("network batch side bits engine configuration precision stage median_ms min_ms max_ms blocks steps_per_block "
           "images_per_second pytorch_f32_over_this pytorch_bf16_over_this bound_ms roofline best_bound_ms best_roofline "
           "others_percent peak_mb allocations largest_allocation note peak_f32_gmacs peak_bf16_gmacs peak_int8_gmacs "
           "memory_gbs processor threads load_before "
           "commit torch date how limited_to").split()


def bounds(work, batch, bits, peaks):
    """Milliseconds that the multiply-adds of a step take at the measured peaks, for each arithmetic.

    Forward, weight gradient and input gradient are as many multiply-adds each; the first layer has no input gradient.
    Only taps on real pixels count. In mixed arithmetic the forward pass of a quantized network runs on bytes, but for
    the first layer, whose input is an image; all the rest runs on bf16 numbers.
    """
    forward, first = batch * work["useful_multiply_adds"], batch * work["first_multiply_adds"]
    backward = 2 * forward - first
    bf16 = max(peaks["bf16"], peaks["f32"])
    result = {"f32": (forward + backward) / peaks["f32"], "bf16": (forward + backward) / bf16}
    result["mixed"] = (forward - first) / max(peaks["int8"], bf16) + (backward + first) / bf16 if bits != "float" else result["bf16"]
    return {arithmetic: 1e3 * seconds for arithmetic, seconds in result.items()}


def paired_ratio(above, below):
    """Median over the rounds of one engine's time over another's in the same round, with the extremes."""
    ratios = [a / b for a, b in zip(above.times, below.times)]
    return statistics.median(ratios), min(ratios), max(ratios)


def rows_of(name, bits, batch, side, options, candidates, peaks, work):
    """The cell's rows for the CSV, one for each candidate; prints those of the interleaved run."""
    common = {"network": name, "batch": batch, "side": side, "bits": bits, "threads": options.threads, "torch": options.torch,
              "limited_to": options.limit,
              **options.facts, **{f"peak_{k}_gmacs": f"{peaks[k] / 1e9:.1f}" for k in ("f32", "bf16", "int8")},
              "memory_gbs": f"{peaks['memory'] / 1e9:.1f}"}
    limit = bounds(work, batch, bits, peaks) if work else {}  # of s16 no peak is measured
    final = [c for c in candidates if c.stage == "interleaved"]
    best = {p: min((c for c in final if c.engine == "pytorch" and c.precision == p), key=lambda c: c.median, default=None)
            for p in ("f32", "bf16")}
    rows = []
    for c in candidates:
        row = {**common, "engine": c.engine, "configuration": c.configuration, "precision": c.precision, "stage": c.stage,
               "note": c.note}
        if c.stage == "finalist":
            row["stage"] = "screening"
        if c.times:
            row |= {"median_ms": f"{c.median:.2f}", "min_ms": f"{min(c.times):.2f}", "max_ms": f"{max(c.times):.2f}",
                    "blocks": len(c.times), "images_per_second": f"{1e3 * batch / c.median:.1f}",
                    "steps_per_block": options.steps if c in final else options.screening_steps,
                    "others_percent": f"{statistics.median(c.others):.0f}"}
            row |= {k: f"{v:.0f}" for k, v in c.memory.items()}
        if c in final:
            row |= {f"pytorch_{p}_over_this": f"{paired_ratio(t, c)[0]:.3f}" for p, t in best.items() if t}
            if c.precision in limit:
                row |= {"bound_ms": f"{limit[c.precision]:.2f}", "roofline": f"{limit[c.precision] / c.median:.3f}",
                        "best_bound_ms": f"{min(limit.values()):.2f}", "best_roofline": f"{min(limit.values()) / c.median:.3f}"}
        rows.append(row)
    report(name, bits, batch, candidates, best, limit)
    return rows


DISTURBED = "compared with the others while other programs used the processors"


def disturbed(others):
    """Whether other programs had more than a twentieth of the processors."""
    return statistics.median(others) > 5


def report(name, bits, batch, candidates, best, limit):
    final = [c for c in candidates if c.stage == "interleaved"]
    print(f"\n{name} {bits}, batch {batch}: median [min, max] ms, images/s, fraction of its own and of the best roofline")
    for c in final:
        roof = f"{limit[c.precision] / c.median:6.2f}{min(limit.values()) / c.median:6.2f}" if c.precision in limit else " " * 12
        print(f"  {c.engine:9}{c.configuration:33}{c.precision:6}{c.median:9.1f} [{min(c.times):.1f}, {max(c.times):.1f}]"
              f"{1e3 * batch / c.median:9.0f}{roof}   others used {statistics.median(c.others):.0f} %")
    for c in (c for c in final if c.engine == "bcgd"):
        for precision, t in best.items():
            if t:
                middle, low, high = paired_ratio(t, c)
                print(f"  PyTorch's best {precision} ({t.configuration}) / ours {c.precision}: {middle:.2f} [{low:.2f}, {high:.2f}]")
    if any(disturbed(c.others) for c in final) or any(c.note == DISTURBED for c in candidates):
        print("  Other programs used the processors meanwhile: quote nothing of this, run it again on an idle machine.")
    print(flush=True)


def write_csv(path, columns, rows):
    with open(path + ".part", "w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(path + ".part", path)


BARS = [("PyTorch f32", "pytorch", "f32"), ("PyTorch bf16 autocast", "pytorch", "bf16"), ("this engine, f32", "bcgd", "f32"),
        ("this engine, mixed", "bcgd", "mixed"), ("this engine, s16", "bcgd", "s16"), ("Brevitas f32", "brevitas", "f32")]


def draw_chart(product, folder, rows):
    """Speed of each engine's best, not limited, PyTorch's best f32 being 1; the labels are the milliseconds of a step."""
    final = [r for r in rows if r["stage"] == "interleaved" and r["limited_to"] == "none" and r.get("pytorch_f32_over_this")]
    cells = list(dict.fromkeys((r["network"], r["bits"]) for r in final))
    bars = [b for b in BARS if any((r["engine"], r["precision"]) == b[1:] for r in final)]
    if not cells:
        return print("no chart: nothing was timed against PyTorch in f32")
    table = []
    for index, cell in enumerate(cells):
        line = {"cell": f"{cell[0]} {cell[1]}", "x": index}
        for number, (_, engine, precision) in enumerate(bars):
            mine = [r for r in final if (r["network"], r["bits"]) == cell and (r["engine"], r["precision"]) == (engine, precision)]
            if mine:
                fastest = min(mine, key=lambda r: float(r["median_ms"]))
                line |= {f"speed{number}": fastest["pytorch_f32_over_this"], f"ms{number}": round(float(fastest["median_ms"]))}
        table.append(line)
    columns = ["cell", "x"] + [f"{kind}{i}" for i in range(len(bars)) for kind in ("speed", "ms")]
    write_csv(os.path.join(folder, "training-chart.csv"), columns, table)
    width, plots = 0.8 / len(bars), []
    for i, (title, _, _) in enumerate(bars):
        offset = (i - (len(bars) - 1) / 2) * width
        where = f'"training-chart.csv" using (column("x")+{offset:.4f})'
        plots.append(f'{where}:"speed{i}":({0.92 * width:.4f}) with boxes fill solid 0.85 linetype {i + 1} title "{title}"')
        plots.append(f'{where}:"speed{i}":"ms{i}" with labels offset 0,0.6 font ",10" notitle')
    ticks = ", ".join(f"'{line['cell']}' {line['x']}" for line in table)
    body = (f"set xrange [-0.6:{len(cells) - 0.4}]\nset yrange [0:*]\nset offsets 0, 0, 0.35, 0\nset xtics ({ticks}) noenhanced\n"
            "set key outside bottom center horizontal\nset ylabel \"speed of a training step (PyTorch's best f32 = 1)\"\n"
            f"set title 'Training step, {rows[0]['threads']} threads, labels in ms' noenhanced\nplot " + ", \\\n    ".join(plots) + "\n")
    drawn = subprocess.run([product, "draw", "training", folder], input=body, text=True, capture_output=True)
    if drawn.returncode:
        print(f"no chart: {drawn.stderr.strip().splitlines()[-1]}")
