# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows which planted faults `reproduce regress` catches, and by which statistic.

    python3 Experiments/faults.py                  # all faults: a build and a check each, about two minutes
    python3 Experiments/faults.py --only alpha-sign,none --precision mixed
    python3 Experiments/faults.py --dry-run        # only: does every fault still fit the sources?

Each fault is a change of a copy of the checkout in .build/faults; the checkout itself stays as it is. Results go to
results/regress/faults.csv and faults.md; those of faults not chosen stay.
"""
import argparse
import csv
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / ".build" / "faults"


@dataclass
class Fault:
    name: str
    what: str
    edits: list  # of (file, old text that occurs there once, new text)


BLEND = "    if (blends) w = __builtin_fmaf(1 - s.blending, w, s.blending * (c->scale * (float)c->integer_weights[i]));\n"
STEP = "    w = __builtin_fmaf(-s.learning_rate, m, w);\n"
FAULTS = [
    Fault("none", "the program as it is", []),
    Fault("alpha-sign", "wrong sign in the α-gradient", [
        ("Sources/CKernels/quantize/quantized_relu.c", "return (double)slope * (double)(slope != 0 ? gradient : 0);",
         "return -(double)slope * (double)(slope != 0 ? gradient : 0);"),
        ("Sources/CKernels/norm/norm_activation.c", "s3 = fused(g, choose(positive, slope, zero), s3);",
         "s3 = fused(-g, choose(positive, slope, zero), s3);"),
    ]),
    Fault("rho-ignored", "ρ ignored: BinaryConnect instead of BCGD", [
        ("Sources/CKernels/optimizer/bcgd_step.c", "int blends = integer_weights && step.blending > 0;", "int blends = 0;"),
    ]),
    Fault("no-scale", "projection without scale: w_q = sign(w)", [
        ("Sources/Quantization/BinaryProjection.swift", "let scale = Float(magnitudes.sum / Double(slice.count))", "let scale: Float = 1"),
    ]),
    Fault("blend-after", "blending after the step instead of before it", [
        ("Sources/CKernels/optimizer/bcgd_step.c", BLEND, ""),
        ("Sources/CKernels/optimizer/bcgd_step.c", STEP, STEP + BLEND),
    ]),
    Fault("stale-statistics", "running batch-norm statistics never updated", [
        ("Sources/Backends/BatchNorm.swift", "runningRate: Float = 0.1", "runningRate: Float = 0"),
    ]),
    # Beyond the five: weaker faults, to show where the sight ends.
    Fault("statistics-slow", "running batch-norm statistics updated at 0.01 instead of 0.1", [
        ("Sources/Backends/BatchNorm.swift", "runningRate: Float = 0.1", "runningRate: Float = 0.01"),
    ]),
    Fault("alpha-half", "α-gradient too small by a factor 2", [
        ("Sources/CKernels/quantize/quantized_relu.c", "return (double)slope * (double)(slope != 0 ? gradient : 0);",
         "return 0.5 * (double)slope * (double)(slope != 0 ? gradient : 0);"),
        ("Sources/CKernels/norm/norm_activation.c", "s3 = fused(g, choose(positive, slope, zero), s3);",
         "s3 = fused(0.5f * g, choose(positive, slope, zero), s3);"),
    ]),
    Fault("no-decay", "weight decay ignored", [
        ("Sources/CKernels/optimizer/bcgd_step.c", "__builtin_fmaf(s.decay, w, c->gradient[i])", "c->gradient[i]"),
    ]),
]

COLUMNS = ["fault", "what", "dataset", "precision", "verdict", "statistics_outside", "runs", "strongest", "value", "expected_low",
           "expected_high", "t", "p", "seeds", "commit", "how"]


def faulty(source, edits):
    """The text of each edited file. Ends the program when an edit does not fit."""
    texts = {}
    for file, old, new in edits:
        text = texts.get(file) or (source / file).read_text()
        if text.count(old) != 1:
            raise SystemExit(f"{file} holds {old!r} {text.count(old)} times instead of once: mend the fault in Experiments/faults.py")
        texts[file] = text.replace(old, new)
    return texts


def copy_checkout():
    """Brings the scratch copy to the checkout's state; files that are the same keep their times, so builds stay short."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", "Package.swift", "Plugins", "Sources", "Experiments", "Tests"], cwd=ROOT,
            check=True,
                           capture_output=True, text=True).stdout.split("\0")
    files = {SCRATCH / file: ROOT / file for file in listed if file and (ROOT / file).exists()}
    for old in SCRATCH.glob("Sources/**/*"):  # a source that has another name now would be compiled twice
        if old.is_file() and old not in files:
            old.unlink()
    for copy, file in files.items():
        put(copy, file.read_bytes())


def put(path, content):
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def build(fault):
    """The program with the fault; built only where the sources are not those of the last time."""
    copy_checkout()
    for file, text in faulty(ROOT, fault.edits).items():
        put(SCRATCH / file, text.encode())
    state = hashlib.sha256()
    for path in sorted(SCRATCH.glob("Sources/**/*")):
        if path.is_file():
            state.update(str(path.relative_to(SCRATCH)).encode() + path.read_bytes())
    program, stamp = SCRATCH / "programs" / fault.name / "reproduce", SCRATCH / "programs" / fault.name / "sources"
    if not stamp.exists() or stamp.read_text() != state.hexdigest():
        subprocess.run(["swift", "build", "-c", "release", "--product", "reproduce"], cwd=SCRATCH, check=True, stdout=subprocess.DEVNULL)
        program.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(SCRATCH / ".build/release/reproduce", program)
        stamp.write_text(state.hexdigest())
    return program


def check(fault, program, arguments):
    print(f"== {fault.name}: {fault.what}", flush=True)
    out = SCRATCH / "verdicts" / str(os.getpid())
    shutil.rmtree(out, ignore_errors=True)
    command = [str(program), "regress", "--baseline", "results/regress", "--out", str(out), "--threads", str(arguments.threads)]
    for precision in arguments.precision:
        command += ["--precision", precision]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if not (out / "regress.csv").exists():
        raise SystemExit(f"no verdicts for {fault.name} (status {ended.returncode}): {ended.stderr[-500:]}")
    groups = {}
    for row in csv.DictReader((out / "regress.csv").open()):
        groups.setdefault((row["dataset"], row["precision"]), []).append(row)
    # In s16 other bits than the recorded ones are a change, which no statistic need show.
    bits = [line for line in ended.stdout.splitlines() if "other bits than" in line]
    if (ended.returncode != 0) != any(r["verdict"] == "regression" for rows in groups.values() for r in rows) and not bits:
        raise SystemExit(f"{fault.name}: the exit status {ended.returncode} does not fit the verdicts")
    how = "python3 " + " ".join(["Experiments/faults.py", *sys.argv[1:]])
    return [summary(fault, rows, how, any(line.startswith(f"{dataset} {precision} ") for line in bits))
            for (dataset, precision), rows in groups.items()]


def summary(fault, rows, how, has_other_bits):
    outside = [row for row in rows if row["verdict"] == "regression"]
    # Of those that are tested, the least probability; where several have underflowed to 0, the largest |t|.
    strongest = min((row for row in rows if row["verdict"] != "not tested"), key=lambda row: (float(row["p"]), -abs(float(row["t"]))))
    runs = list(dict.fromkeys(row["statistic"].split(".")[0] for row in outside))
    return dict(
        fault=fault.name, what=fault.what, verdict="caught" if outside else "caught by its bits" if has_other_bits else "passed",
        statistics_outside=f"{len(outside)} of {len(rows)}",
        runs=" ".join(runs), strongest=strongest["statistic"], commit=commit(), how=how,
        **{key: strongest[key] for key in ["dataset", "precision", "value", "expected_low", "expected_high", "t", "p", "seeds"]})


def commit():
    """Of the sources that the faults are planted in: the faulty copies are no checkout."""
    subprocess.run([ROOT / "Plugins/RecordCommit/commit.sh", ROOT, SCRATCH / "commit"], check=True)
    return (SCRATCH / "commit/Commit.swift").read_text().split('"')[1]


def write(rows, out):
    with (out / "faults.csv.part").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(out / "faults.csv.part", out / "faults.csv")
    lines = ["# Planted faults and `reproduce regress`", "",
             "Made by [`Experiments/faults.py`](../../Experiments/faults.py) from [`faults.csv`](faults.csv): each fault as a "
             "change of the sources,",
             "built, checked with the seeds and intervals of a usual check. “Runs” are those with a statistic outside its interval.", "",
             "| Fault | Data | Precision | Verdict | Outside | Runs | Strongest statistic | Found | Expected |",
             "| --- | --- | --- | --- | ---: | --- | --- | ---: | --- |"]
    for r in rows:
        lines.append(f"| {r['what']} | {r['dataset']} | {r['precision']} | {r['verdict']} | "
                     f"{r['statistics_outside']} | {r['runs'] or '–'} | "
                     f"{r['strongest']} | {float(r['value']):.4g} | {float(r['expected_low']):.4g} to {float(r['expected_high']):.4g} |")
    (out / "faults.md.part").write_text("\n".join(lines) + "\n")
    os.replace(out / "faults.md.part", out / "faults.md")


def main():
    names = [fault.name for fault in FAULTS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(names), help="faults, separated by commas: " + ", ".join(names))
    parser.add_argument("--precision", action="append", default=[], choices=["f32", "mixed", "s16"],
            help="as in reproduce regress; may be repeated")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--dry-run", action="store_true", help="build and run nothing")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := [name for name in chosen if name not in names]:
        parser.error(f"no fault {unknown[0]}; there are {', '.join(names)}")
    for fault in FAULTS:
        faulty(ROOT, fault.edits)
    if arguments.dry_run:
        return
    out = ROOT / "results" / "regress"
    faults = [fault for fault in FAULTS if fault.name in chosen]
    for fault, program in [(fault, build(fault)) for fault in faults]:
        new = check(fault, program, arguments)
        groups = {(r["fault"], r["dataset"], r["precision"]) for r in new}
        rows = list(csv.DictReader((out / "faults.csv").open())) if (out / "faults.csv").exists() else []
        rows = [r for r in rows if (r["fault"], r["dataset"], r["precision"]) not in groups] + new
        rows.sort(key=lambda r: (names.index(r["fault"]) if r["fault"] in names else len(names), r["dataset"], r["precision"]))
        write(rows, out)
        for r in new:
            print(f"{r['precision']}: {r['verdict']}, {r['statistics_outside']} outside; strongest {r['strongest']} {r['value']}, "
                  f"expected {r['expected_low']} to {r['expected_high']}", flush=True)


if __name__ == "__main__":
    main()
