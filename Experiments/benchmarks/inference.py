#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times inference by packed models, by ONNX Runtime (float, int8), OpenVINO (f32, bf16, int8), ncnn and LiteRT with XNNPACK (f32, int8)
and PyTorch (operator by operator, and by torch.compile), interleaved, on the same network.

    python3 Experiments/benchmarks/inference.py [--model resnet20=model.bcgd]

training.py runs it too. Without --model a network has random weights, which timing does not depend on. ONNX Runtime and
PyTorch run the exported network as it is (`float`: Conv, Add, Ceil, Clip) and without the rounding (`unrounded`: Conv, Add,
Relu: faster, but another function), OpenVINO likewise; int8 is ONNX Runtime's static quantization of the latter. ncnn and LiteRT
run the latter in formats of their own, quantized as their own tools do; one whose scores are not ONNX Runtime's is refused. Latency
is a call of one image, throughput one of 64. Where the processor has AVX-512, a second section holds all engines to AVX2, without
ONNX Runtime, ncnn and LiteRT, which have no switch for that. Writes runs/benchmarks/inference.csv and a bar chart.
"""
import argparse
import itertools
import math
import os
import statistics
import subprocess
import tempfile

from environment import (HERE, LIMITS, PRODUCT, ROOT, VENV, build, command, commit, default_limits, facts, fail, held,
                         processor_flags, python_with)
from training_engines import Engine, EngineError
from training_results import disturbed, write_csv

NETWORKS = {"resnet20": ("resnet20", 32, 10), "resnet18": ("imagenet-resnet18", 224, 1000)}
COLUMNS = ["network", "batch", "threads", "engine", "configuration", "median_ms", "min_ms", "max_ms", "images_per_second", "over_ours",
           "over_ours_low", "over_ours_high", "file_bytes", "peak_mb", "others_percent", "calls", "blocks", "model", "onnxruntime", "torch",
           "processor", "load_before", "date", "commit", "how", "path", "limited_to", "openvino", "ncnn", "ai_edge_litert"]
ENGINES = {"bcgd": [], "onnxruntime": ["onnxruntime", "onnx"], "openvino": ["openvino"], "pytorch": ["torch", "onnx"],
           "ncnn": ["ncnn"], "litert": ["ai_edge_litert", "ai_edge_quantizer"]}  # with their modules
CONVERTED = ("ncnn", "litert")  # run files of their own; left out where pip has no such module
BARS = [("ONNX Runtime float", "onnxruntime", ("float", "unrounded")), ("ONNX Runtime int8", "onnxruntime", ("int8", "int8 per channel")),
        ("OpenVINO int8", "openvino", ("int8", "int8 per channel")), ("ncnn", "ncnn", None), ("LiteRT", "litert", None),
        ("PyTorch", "pytorch", None),
        ("packed, products", "bcgd", ("vnni", "avx2")), ("packed", "bcgd", ("best",))]


class Candidate:
    def __init__(self, engine, configuration, file, words):
        self.engine, self.configuration, self.file, self.words = engine, configuration, file, words
        self.times, self.others, self.peak, self.process = [], [], 0.0, None

    def time(self, calls):
        block = self.process.block(calls)
        self.times.append(block["milliseconds"])
        self.others.append(self.process.others)
        self.peak = block["peak_mb"]


def run(*words):
    done = command(*words, cwd=ROOT)
    if done.returncode:
        fail(f"{os.path.basename(words[0])} failed: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1]}")


def prepare(name, options, folder):
    """The files of one network: the packed model, its ONNX forms, the int8 ones, those of engines with formats of their own."""
    network, side, classes = NETWORKS[name]
    packed = options.models.get(name) or os.path.join(folder, f"{name}.bcgd")
    if name not in options.models:
        run(PRODUCT, "model", "--network", network, "--side", str(side), "--classes", str(classes), packed)
    files = {"packed": packed, "side": side}
    for form in ("float", "unrounded"):
        files[form] = os.path.join(folder, f"{name}-{form}.onnx")
        run(os.path.join(ROOT, ".build", "release", "reproduce"), "export", packed, "-o", files[form], "--form", form)
    for kind, flags in (("int8", []), ("int8 per channel", ["--per-channel"])):
        files[kind] = os.path.join(folder, f"{name}-{kind.replace(' ', '-')}.onnx")
        run(options.python, os.path.join(HERE, "inference_onnx.py"), files["unrounded"], "--quantize", files[kind], *flags)
    for engine, (form, flags) in itertools.product(CONVERTED, {"unrounded": [], "int8": ["--int8"]}.items()):
        if engine in options.engines:
            target = os.path.join(folder, f"{name}-{form}.{engine}")
            done = command(options.python, os.path.join(HERE, f"inference_{engine}.py"), files["unrounded"], "--convert", target, *flags)
            if done.returncode:
                reason = (done.stderr.strip() or f"it ended with status {done.returncode}").splitlines()[-1]
                print(f"  skipped: {engine} {form}: {reason}", flush=True)
            else:
                files[engine, form] = target
    return files


def candidates(files, batch, threads, limit, options):
    size = ["--batch", str(batch), "--threads", str(threads)]
    paths = options.paths.split(",") if options.paths else ["best", "vnni" if options.has_vnni and limit == "none" else "avx2"]
    found = [Candidate("bcgd", path, files["packed"], [PRODUCT, "infer", files["packed"], "--path", path, *size]) for path in paths]
    for form in ("float", "unrounded", "int8", "int8 per channel") if limit == "none" else ():
        found.append(Candidate("onnxruntime", form, files[form],
                [options.python, os.path.join(HERE, "inference_onnx.py"), files[form], *size]))
    for form, precision in (("float", "f32"), ("unrounded", "f32"), ("unrounded", "bf16"), ("int8", "default"),
            ("int8 per channel", "default")):
        words = [options.python, os.path.join(HERE, "inference_openvino.py"), files[form], "--precision", precision, *size]
        found.append(Candidate("openvino", form if precision == "default" else f"{form} {precision}", files[form], words))
    for form, layout, how in itertools.product(("float", "unrounded"), ("nchw", "channels-last"), ("", "compile")):
        words = [options.python, os.path.join(HERE, "inference_torch.py"), files[form], "--layout", layout, *size]
        found.append(Candidate("pytorch", f"{form} {layout} {how}".strip(), files[form], words + ["--compile"] * bool(how)))
    for form in ("unrounded", "int8") if limit == "none" else ():
        if file := files.get(("ncnn", form)):
            for winograd in ("default", "23", "none"):
                words = [options.python, os.path.join(HERE, "inference_ncnn.py"), file, "--winograd", winograd, *size,
                         "--side", str(files["side"])]
                found.append(Candidate("ncnn", f"{form} winograd {winograd}", file, words))
        if file := files.get(("litert", form)):
            found.append(Candidate("litert", form, file, [options.python, os.path.join(HERE, "inference_litert.py"), file, *size]))
    return [candidate for candidate in found if candidate.engine in options.engines]


def run_cell(name, files, batch, threads, limit, options):
    running, rows = [], []
    try:
        for candidate in candidates(files, batch, threads, limit, options):
            try:
                candidate.process = Engine(candidate.words, ROOT, environment=LIMITS[limit])
                running.append(candidate)
            except EngineError as error:
                print(f"  skipped: {candidate.engine} {candidate.configuration}: {error}", flush=True)
        for candidate in running:
            candidate.time(2)
            candidate.calls = max(2, min(5000, round(options.seconds * 1e3 / candidate.times[0])))
            candidate.times, candidate.others = [], []
        for _ in range(options.blocks):
            for candidate in running:
                candidate.time(candidate.calls)
    finally:
        for candidate in running:
            candidate.process.close()
    ours = next(c for c in running if c.engine == "bcgd" and c.configuration == "best")
    path = ours.process.description["path"]
    print(f"{name}, batch {batch}, {threads} threads{held(limit)}: median ms, times ours (path {path})", flush=True)
    for c in running:
        ratios = sorted(a / b for a, b in zip(c.times, ours.times))
        median = statistics.median(c.times)
        rows.append({
            "network": name, "batch": batch, "threads": threads, "engine": c.engine, "configuration": c.configuration,
            "median_ms": f"{median:.4f}",
            "min_ms": f"{min(c.times):.4f}", "max_ms": f"{max(c.times):.4f}", "images_per_second": f"{1e3 * batch / median:.1f}",
            "over_ours": f"{statistics.median(ratios):.3f}", "over_ours_low": f"{ratios[0]:.3f}", "over_ours_high": f"{ratios[-1]:.3f}",
            "file_bytes": os.path.getsize(c.file), "peak_mb": f"{c.peak:.1f}", "others_percent": f"{statistics.median(c.others):.1f}",
            "calls": c.calls, "blocks": options.blocks,
            "model": "random weights" if name not in options.models else os.path.basename(files["packed"]),
            "path": c.process.description.get("path", ""), "limited_to": limit, **options.versions, **options.facts})
        print(f"  {c.engine:12}{c.configuration:26}{median:10.3f}{statistics.median(ratios):8.2f}   {c.peak:6.0f} MB"
              f"   others used {statistics.median(c.others):.0f} %", flush=True)
    if any(disturbed(c.others) for c in running):
        print("  Other programs used the processors meanwhile: quote nothing of this, run it again on an idle machine.", flush=True)
    return rows


def draw(folder, rows):
    """Images a second of each engine's fastest, not limited, ONNX Runtime's float being 1; the labels are milliseconds a call."""
    rows = [r for r in rows if r["limited_to"] == "none"]
    if not rows:
        return print("no chart: every section is limited")
    cells, table = list(dict.fromkeys((r["network"], int(r["batch"]), int(r["threads"])) for r in rows)), []
    for index, cell in enumerate(cells):
        line = {"x": index}
        mine = [r for r in rows if (r["network"], int(r["batch"]), int(r["threads"])) == cell]
        for number, (_, engine, configurations) in enumerate(BARS):
            times = [float(r["median_ms"]) for r in mine if r["engine"] == engine
                    and (configurations is None or r["configuration"] in configurations)]
            if times:
                line[f"ms{number}"] = f"{min(times):.{max(0, 2 - math.floor(math.log10(min(times))))}f}"  # three digits, no exponent
        if "ms0" not in line:
            return print("no chart: ONNX Runtime did not run")
        line |= {f"speed{i}": float(line["ms0"]) / float(line[f"ms{i}"]) for i in range(len(BARS)) if f"ms{i}" in line}
        table.append(line)
    columns = ["x"] + [f"{kind}{i}" for i in range(len(BARS)) for kind in ("speed", "ms")]
    write_csv(os.path.join(folder, "inference-chart.csv"), columns, table)
    width, plots = 0.8 / len(BARS), []
    for i, (title, _, _) in enumerate(BARS):
        where = f'"inference-chart.csv" using (column("x")+{(i - (len(BARS) - 1) / 2) * width:.4f})'
        plots.append(f'{where}:"speed{i}":({0.92 * width:.4f}) with boxes fill solid 0.85 linetype {i + 1} title "{title}"')
        plots.append(f'{where}:"speed{i}":"ms{i}" with labels rotate left offset 0,0.4 font ",8" notitle')
    ticks = ", ".join(f'"{n}\\nbatch {b}\\n{t} thread{"s" if t > 1 else ""}" {i}' for i, (n, b, t) in enumerate(cells))
    body = (f"set xrange [-0.6:{len(cells) - 0.4}]\nset yrange [0:*]\nset offsets 0, 0, 0.7, 0\nset xtics ({ticks}) noenhanced\n"
            "set key outside top center horizontal\nset bmargin 5\nset ylabel \"speed (ONNX Runtime float = 1)\"\n"
            "set title 'Inference of a 1W4A network, labels in ms a call' noenhanced\nplot " + ", \\\n    ".join(plots) + "\n")
    drawn = subprocess.run([PRODUCT, "draw", "inference", folder], input=body, text=True, capture_output=True)
    if drawn.returncode:
        print(f"no chart: {drawn.stderr.strip().splitlines()[-1]}")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="inference.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", default=VENV,
            help="virtual environment with onnxruntime, onnx, openvino, torch, ncnn and LiteRT; made when it does not exist")
    parser.add_argument("--pip-arguments", default="", help="more arguments for pip install")
    parser.add_argument("--networks", default=",".join(NETWORKS), help="comma-separated (default: %(default)s)")
    parser.add_argument("--model", action="append", default=[], metavar="NETWORK=FILE", help="packed model of a trained network")
    parser.add_argument("--batches", default="1,64", help="(default: %(default)s)")
    parser.add_argument("--threads", default="1,2", help="(default: %(default)s)")
    parser.add_argument("--paths", help="of our kernels, best first (default: best, and products: vnni or avx2)")
    parser.add_argument("--engines", default=",".join(ENGINES), help="(default: %(default)s)")
    parser.add_argument("--limits", help=f"of the instructions, of {', '.join(LIMITS)} (default: both where there is AVX-512)")
    parser.add_argument("--blocks", type=int, default=9, help="interleaved rounds (default: %(default)s; results need 7)")
    parser.add_argument("--seconds", type=float, default=0.3, help="of a block (default: %(default)s)")
    parser.add_argument("--out", default=os.path.join(ROOT, "runs", "benchmarks"),
            help="(default: runs/benchmarks; committed ones are in results/benchmarks)")
    options = parser.parse_args(arguments)
    options.networks, options.engines = options.networks.split(","), options.engines.split(",")
    options.has_vnni = "avx512_vnni" in processor_flags()
    options.limits = options.limits.split(",") if options.limits else default_limits()
    options.models = dict(m.split("=", 1) for m in options.model if "=" in m)
    if unknown := [n for n in [*options.networks, *options.models] if n not in NETWORKS]:
        fail(f"networks are {', '.join(NETWORKS)}, not {unknown[0]}")
    if unknown := [e for e in options.engines if e not in ENGINES] + [limit for limit in options.limits if limit not in LIMITS]:
        fail(f"--engines are {', '.join(ENGINES)}, --limits {', '.join(LIMITS)}, not {unknown[0]}")
    if options.blocks < 1 or options.paths and options.paths.split(",")[0] != "best" or "bcgd" not in options.engines:
        fail("--blocks must be at least 1, --paths begin with best, and --engines hold bcgd")
    options.facts = facts()
    # The int8 files are made by ONNX Runtime, whoever runs them.
    modules = sorted({"onnxruntime", "onnx"}.union(*(ENGINES[engine] for engine in options.engines if engine not in CONVERTED)))
    optional = [module for engine in CONVERTED if engine in options.engines for module in ENGINES[engine]]
    options.python, versions = python_with(modules, options.venv, options.pip_arguments, optional)
    options.engines = [engine for engine in options.engines if all(module in versions for module in ENGINES[engine])]
    options.versions = {module: version for module, version in versions.items() if module in COLUMNS}
    for product in ("benchmark-step", "reproduce"):
        build(product)
    options.facts["commit"] = commit()
    os.makedirs(options.out, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.networks:
            files = prepare(name, options, folder)
            for batch in map(int, options.batches.split(",")):
                for threads, limit in itertools.product(map(int, options.threads.split(",")), options.limits):
                    try:
                        rows += run_cell(name, files, batch, threads, limit, options)
                    except EngineError as error:
                        fail(f"{name}: an engine stopped answering: {error}")
                    write_csv(os.path.join(options.out, "inference.csv"), COLUMNS, rows)
    draw(options.out, rows)
    print(f"wrote {options.out}/inference.csv; load average before: {options.facts['load_before']}")


if __name__ == "__main__":
    main()
