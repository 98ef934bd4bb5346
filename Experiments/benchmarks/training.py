#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times whole training steps of this package's engine, of PyTorch and of Brevitas on the CPU, interleaved, on the same work.

    python3 Experiments/benchmarks/training.py

makes a virtual environment with PyTorch, builds the engine, looks for PyTorch's best configuration of each precision,
times the best ones and ours in turn (A B C A B C ...), and writes runs/benchmarks/training.csv and a bar chart.
Where the processor has AVX-512, a second section holds all engines to AVX2. Then it does the same for inference (inference.py, which
also runs alone).
Brevitas takes part where the environment has it (pip install brevitas): its binary weights and learned scales, with plain SGD.
A step is forward, loss, backward with the gradients in alpha, blend, SGD with momentum, projection.
"""
import argparse
import itertools
import os
import statistics

import inference
from environment import HERE, LIMITS, PRODUCT, ROOT, VENV, build, commit, default_limits, facts, fail, held, python_with
from training_engines import Engine, EngineError, allocators
from training_results import COLUMNS, DISTURBED, disturbed, draw_chart, rows_of, write_csv

NETWORKS = {  # batch, side of the images, classes, channels of the images
    "resnet20": (128, 32, 10, 3),
    "vgg11": (128, 32, 10, 3),
    "resnet18": (32, 224, 1000, 3),
    "lenet5": (64, 28, 10, 1),
}
OURS = {"resnet18": "imagenet-resnet18"}  # where this package has another name for it
BITS = {"float": (32, 32), "1w4a": (1, 4), "32w4a": (32, 4)}


# One cell: a network at given bits


class Candidate:
    """A configuration of an engine, and what was measured of it."""

    def __init__(self, engine, configuration, precision, start):
        self.engine, self.configuration, self.precision, self.start = engine, configuration, precision, start
        self.stage, self.note, self.times, self.others, self.memory, self.process = "skipped", "", [], [], {}, None

    def __str__(self):
        return " ".join(filter(None, (self.engine, self.configuration, self.precision)))

    @property
    def median(self):
        return statistics.median(self.times)

    def open(self):
        try:
            self.process = self.start()
        except EngineError as error:
            self.note = str(error)
            print(f"  skipped: {self}: {error}", flush=True)
        return self.process is not None

    def close(self):
        if self.process:
            self.process.close()
        self.process = None

    def time(self, steps):
        block = self.process.block(steps)
        self.times.append(block["milliseconds"])
        self.memory = {k: block[k] for k in ("peak_mb", "allocations", "largest_allocation") if k in block}
        self.others.append(self.process.others)

    def screen(self, steps):
        if not self.open():
            return
        try:
            for _ in range(2):
                self.time(steps)
            self.stage = "screening"
            if disturbed(self.others):  # so another configuration may be the best one
                self.note = DISTURBED
            print(f"  {self.configuration:40} {self.precision:5} {min(self.times):9.1f} ms", flush=True)
        except EngineError as error:
            self.note = str(error)
            print(f"  skipped: {self}: {error}", flush=True)
        finally:
            self.close()


def shape_arguments(name, bits, threads, called=None):
    batch, side, classes, channels = NETWORKS[name]
    weight_bits, activation_bits = BITS[bits]
    return ["--network", called or name, "--batch", str(batch), "--side", str(side), "--channels", str(channels), "--classes",
            str(classes), "--threads", str(threads),
            "--weight-bits", str(weight_bits), "--activation-bits", str(activation_bits)]


def ours(name, bits, options):
    def start(precision):
        words = [PRODUCT, "step", *shape_arguments(name, bits, options.threads, OURS.get(name)), "--precision", precision]
        return Engine(words, ROOT, LIMITS[options.limit])
    # s16 is mixed where not all is quantized.
    return [Candidate("bcgd", "", p, lambda p=p: start(p)) for p in ("f32", "mixed", *(["s16"] if bits == "1w4a" else []))]


def torch_candidate(name, bits, options, layout, precision, compiles, allocator, environment):
    words = [options.python, os.path.join(HERE, "training_torch.py"), *shape_arguments(name, bits, options.threads),
             "--layout", layout, "--precision", precision] + (["--compile"] if compiles else [])
    label = layout + (" compile" if compiles else "") + (f" {allocator}" if allocator else "")
    candidate = Candidate("pytorch", label, precision, lambda: Engine(words, ROOT, {**environment, **LIMITS[options.limit]}))
    candidate.layout, candidate.compiles = layout, compiles
    return candidate


def best_of_torch(name, bits, options):
    """Every layout, eager and compiled; then every allocator on the best of these: all candidates, the best marked."""
    tried = []
    for precision in options.torch_precisions:
        ranked = []
        for compiles in ((False, True) if options.compile else (False,)):
            for layout in ("nchw", "channels-last"):
                candidate = torch_candidate(name, bits, options, layout, precision, compiles, "", {})
                candidate.screen(options.screening_steps)
                tried.append(candidate)
                ranked += [candidate] if candidate.times else []
        if not ranked:
            continue
        base = min(ranked, key=lambda c: min(c.times))
        for allocator, environment in options.allocators.items():
            candidate = torch_candidate(name, bits, options, base.layout, precision, base.compiles, allocator, environment)
            candidate.screen(options.screening_steps)
            tried.append(candidate)
            ranked += [candidate] if candidate.times else []
        for candidate in sorted(ranked, key=lambda c: min(c.times))[: options.finalists]:
            candidate.stage = "finalist"
    return tried


def best_of_brevitas(name, bits, options):
    """Both layouts, with and without Brevitas's own just-in-time compiler, where it is installed: all candidates, the best marked."""
    tried = []
    for precision in options.torch_precisions if bits != "float" else ():
        for layout, jit in itertools.product(("nchw", "channels-last"), ("0", "1")):
            words = [options.python, os.path.join(HERE, "training_torch.py"), *shape_arguments(name, bits, options.threads),
                     "--layout", layout, "--precision", precision, "--brevitas"]
            environment = {"BREVITAS_JIT": jit, **LIMITS[options.limit]}
            label = layout + (" jit" if jit == "1" else "")
            tried.append(Candidate("brevitas", label, precision, lambda w=words, e=environment: Engine(w, ROOT, e)))
            tried[-1].screen(options.screening_steps)
            if "not installed" in tried[-1].note:
                return tried
        timed = [c for c in tried if c.times and c.precision == precision]
        if timed:
            min(timed, key=lambda c: min(c.times)).stage = "finalist"
    return tried


def check_same_network(processes):
    for key in ("parameters", "multiply_adds"):
        counts = {engine: p.description[key] for engine, p in processes if key in p.description}
        if len(set(counts.values())) > 1:
            fail(f"the engines disagree on the {key} of the network: {counts}; they do not do the same work")


def run_cell(name, bits, options):
    """All candidates of the cell with their times, the peaks measured among them, and the work."""
    print(f"{name} {bits}{held(options.limit)}: looking for PyTorch's best configurations", flush=True)
    candidates = ours(name, bits, options) + best_of_torch(name, bits, options) + best_of_brevitas(name, bits, options)
    running = [c for c in candidates if (c.engine == "bcgd" or c.stage == "finalist") and c.open()]
    peak_meter = Engine([PRODUCT, "peaks", "--threads", str(options.threads)], ROOT, environment=LIMITS[options.limit], describes=False)
    rounds, work = [], next((c.process.description for c in running if c.engine == "pytorch"), None)
    try:
        check_same_network([(c.engine, c.process) for c in running])
        for candidate in running:
            candidate.times, candidate.others, candidate.stage = [], [], "interleaved"
        for number in range(options.blocks):
            rounds.append(peak_meter.block(1, warm_up=0))
            for candidate in running:
                candidate.time(options.steps)
            print(f"  round {number + 1}/{options.blocks}: " + ", ".join(f"{c.times[-1]:.1f}" for c in running) + " ms", flush=True)
    finally:
        for candidate in running:
            candidate.close()
        peak_meter.close()
    peaks = {key: statistics.median(r[key] for r in rounds) for key in ("f32", "bf16", "int8", "memory")}
    return candidates, peaks, work


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", default=VENV,
                        help="virtual environment with PyTorch; made when it does not exist (default: .build/pytorch-venv)")
    parser.add_argument("--pip-arguments", default="", help="more arguments for pip install, such as an index with CPU-only builds")
    parser.add_argument("--networks", default="resnet20,vgg11,resnet18", help="comma-separated (default: %(default)s)")
    parser.add_argument("--bits", default="float,1w4a", help="comma-separated (default: %(default)s)")
    parser.add_argument("--limits", help=f"of the instructions, of {', '.join(LIMITS)} (default: both where there is AVX-512)")
    parser.add_argument("--torch-precisions", default="f32,bf16", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="(default: all processors)")
    parser.add_argument("--blocks", type=int, default=9, help="interleaved rounds (default: %(default)s; results need 7)")
    parser.add_argument("--steps", type=int, default=5, help="steps of a block (default: %(default)s)")
    parser.add_argument("--screening-steps", type=int, default=3, help="steps of each of two screening blocks (default: %(default)s)")
    parser.add_argument("--finalists", type=int, default=2,
            help="PyTorch configurations of each precision that go into the interleaved run")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="leave torch.compile out")
    parser.add_argument("--no-allocators", action="store_true", help="leave other allocators out")
    parser.add_argument("--no-inference", dest="inference", action="store_false", help="leave inference out (inference.py)")
    parser.add_argument("--out", default=os.path.join(ROOT, "runs", "benchmarks"),
            help="(default: runs/benchmarks; committed ones are in results/benchmarks)")
    options = parser.parse_args()
    options.limits = options.limits or ",".join(default_limits())
    for flag, known in (("networks", NETWORKS), ("bits", BITS), ("torch_precisions", ("f32", "bf16")), ("limits", LIMITS)):
        values = getattr(options, flag).split(",")
        setattr(options, flag, values)
        if unknown := [v for v in values if v not in known]:
            fail(f"--{flag.replace('_', '-')} must be of {', '.join(known)}, not {unknown[0]}")
    for flag in ("threads", "blocks", "steps", "screening_steps", "finalists"):
        if getattr(options, flag) < 1:
            fail(f"--{flag.replace('_', '-')} must be at least 1")
    options.facts = facts()
    options.allocators = {} if options.no_allocators else allocators()
    options.python, versions = python_with(["torch"], options.venv, options.pip_arguments)
    options.torch = versions["torch"]
    build("benchmark-step")
    options.facts["commit"] = commit()
    os.makedirs(options.out, exist_ok=True)
    rows = []
    for name, bits, options.limit in itertools.product(options.networks, options.bits, options.limits):
        try:
            rows += rows_of(name, bits, *NETWORKS[name][:2], options, *run_cell(name, bits, options))
        except EngineError as error:
            fail(f"{name} {bits}{held(options.limit)}: an engine stopped answering: {error}")
        write_csv(os.path.join(options.out, "training.csv"), COLUMNS, rows)
    draw_chart(PRODUCT, options.out, rows)
    if options.inference:
        inference.main(["--venv", options.venv, "--out", options.out, "--pip-arguments", options.pip_arguments])
    print(f"wrote {options.out}/training.csv; load average before: {options.facts['load_before']}")


if __name__ == "__main__":
    main()
