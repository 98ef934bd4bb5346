# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples per second of the theory's Monte Carlo pass: this package, NumPy and PyTorch, interleaved in one run.

All three draw every Gaussian of Z themselves (f32), compute the same estimators (loss, df/dv, three coarse gradients, and
the true gradient by conditioning on the kinks; with 4 bits also the kinks of every level and the sums behind six gradients in
the resolution, against NumPy only), and keep the block means' sums and second moments in f64. NumPy and PyTorch
work on the chunks that suit them best; their sums over rows are one batched matrix product a block.

    python3 Experiments/benchmarks/monte_carlo.py

A busy machine distorts wall times, most of all of many threads; compare processor time there, with --threads 1.
It needs `torch` (but with --numpy-only) and `numpy`; without them it makes a virtual environment in .build/pytorch-venv and starts
itself there.
"""
import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from environment import ROOT, VENV, build, commit, facts, python_with

BLOCK = 256


def own_environment():
    """Restarts this script in the virtual environment of the benchmarks."""
    python, _ = python_with(["numpy", "torch"], VENV)
    os.execv(python, [python, *sys.argv])


# The products are small: NumPy is fastest without BLAS threads of its own.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
try:
    import numpy as np
    if "--numpy-only" not in sys.argv:
        import torch
except ImportError:
    own_environment()


def parameters(m, n):
    rng = np.random.default_rng(1)
    v, v_star, w, w_star = (rng.standard_normal(k).astype(np.float32) for k in (m, m, n, n))
    return v, v_star, w, w_star / np.linalg.norm(w_star)


class NumPyPass:
    """One chunk of blocks after another; `threads` generators work side by side (NumPy releases the lock in its loops)."""

    def __init__(self, m, n, threads):
        self.m, self.n, self.threads = m, n, threads
        self.v, self.v_star, w, w_star = parameters(m, n)
        self.both = np.stack([w, w_star], axis=1)
        self.kappa = np.float32(w @ w_star / (w @ w))
        self.blocks = 1  # see tune()
        # SFC64 is NumPy's fastest generator.
        self.generators = [np.random.Generator(np.random.SFC64(k)) for k in range(threads)]

    def chunk(self, rng):
        k, m, n, v, v_star = self.blocks, self.m, self.n, self.v, self.v_star
        z = rng.standard_normal((k * BLOCK * m, n), dtype=np.float32)
        ab = z @ self.both
        a, b = ab[:, 0].reshape(-1, m), ab[:, 1].reshape(-1, m)
        on, on_star = a > 0, b > 0
        r = on @ v - on_star @ v_star
        vr = r[:, None] * v
        c = np.empty((k * BLOCK, m, 4), dtype=np.float32)
        c[:, :, 0] = vr * on
        c[:, :, 1] = c[:, :, 0] * (a < 1)
        c[:, :, 2] = vr
        on_kink = (b - self.kappa * a) > 0
        c[:, :, 3] = v * (r[:, None] - on * v + (on_star.astype(np.float32) - on_kink) * v_star + 0.5 * v)
        sums = np.matmul(z.reshape(k, BLOCK * m, n).transpose(0, 2, 1), c.reshape(k, BLOCK * m, 4))
        x = np.concatenate(
            [
                (0.5 * r * r).reshape(k, BLOCK).sum(1)[:, None],
                (on * r[:, None]).reshape(k, BLOCK, m).sum(1),
                sums.transpose(0, 2, 1).reshape(k, -1),
            ],
            axis=1,
        ).astype(np.float64) / BLOCK
        return x.sum(0), x.T @ x

    def run(self, samples):
        chunks = max(self.threads, samples // (self.blocks * BLOCK))

        def worker(index):
            sums = products = 0
            for _ in range(index, chunks, self.threads):
                s, p = self.chunk(self.generators[index])
                sums, products = sums + s, products + p
            return sums, products

        if self.threads == 1:
            worker(0)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(worker, range(self.threads)))
        return chunks * self.blocks * BLOCK


class NumPyLevels(NumPyPass):
    """The b-bit model: quantized ReLU with K levels, kinks k alpha of every row, and the sums behind six alpha-gradients."""

    BITS, ALPHA = 4, np.float32(0.2)

    def __init__(self, m, n, threads):
        super().__init__(m, n, threads)
        self.top = 2**self.BITS - 1
        steps = np.arange(self.top) * float(self.ALPHA) / float(np.linalg.norm(self.both[:, 0]))
        self.density = (np.exp(-steps * steps / 2) / np.sqrt(2 * np.pi)).astype(np.float32)

    def code(self, x):
        return np.clip(np.ceil(x * (1 / self.ALPHA)), 0, self.top)

    def chunk(self, rng):
        k, m, n, v, v_star, alpha = self.blocks, self.m, self.n, self.v, self.v_star, self.ALPHA
        z = rng.standard_normal((k * BLOCK * m, n), dtype=np.float32)
        ab = z @ self.both
        a, b = ab[:, 0].reshape(-1, m), ab[:, 1].reshape(-1, m)
        own, target = self.code(a), self.code(b)
        r = own @ (v * alpha) - target @ (v_star * alpha)
        vr = r[:, None] * v
        middle, above = (a > 0) & (a <= self.top * alpha), a > self.top * alpha
        rest, base = r[:, None] - own * (v * alpha) + target * (v_star * alpha), b - self.kappa * a
        plain = weighted = np.float32(0)
        for level in range(self.top):
            there = self.code(base + np.float32(level) * alpha * self.kappa) * self.density[level]
            plain = plain + there
            weighted = weighted + np.float32(level) * there
        levels = np.arange(self.top, dtype=np.float32)
        sums = [np.float32((self.density * w).sum()) for w in (1, levels + 0.5, levels, levels * (levels + 0.5))]
        c = np.empty((k * BLOCK, m, 4), dtype=np.float32)
        c[:, :, 0] = vr * (a > 0)
        c[:, :, 1] = vr * middle
        c[:, :, 2] = vr
        c[:, :, 3] = v * (rest * sums[0] + v * alpha * sums[1] - v_star * alpha * plain)
        scalars = [
            (v * (rest * sums[2] + v * alpha * sums[3] - v_star * alpha * weighted)).sum(1), (vr * own).sum(1), (vr * above).sum(1),
            c[:, :, 1].sum(1), (c[:, :, 1] * a).sum(1) / alpha,
        ]
        products = np.matmul(z.reshape(k, BLOCK * m, n).transpose(0, 2, 1), c.reshape(k, BLOCK * m, 4))
        x = np.concatenate(
            [
                (0.5 * r * r).reshape(k, BLOCK).sum(1)[:, None],
                (own * r[:, None] * alpha).reshape(k, BLOCK, m).sum(1),
                products.transpose(0, 2, 1).reshape(k, -1),
                np.stack([s.reshape(k, BLOCK).sum(1) for s in scalars], axis=1),
            ],
            axis=1,
        ).astype(np.float64) / BLOCK
        return x.sum(0), x.T @ x


class TorchPass:
    def __init__(self, m, n, threads):
        torch.set_num_threads(threads)
        self.m, self.n = m, n
        v, v_star, w, w_star = (torch.from_numpy(x) for x in parameters(m, n))
        self.v, self.v_star, self.both = v, v_star, torch.stack([w, w_star], 1)
        self.kappa = float(w @ w_star / (w @ w))
        self.blocks = 1  # see tune()

    def chunk(self):
        k, m, n, v, v_star = self.blocks, self.m, self.n, self.v, self.v_star
        z = torch.randn(k * BLOCK * m, n)
        ab = z @ self.both
        a, b = ab[:, 0].reshape(-1, m), ab[:, 1].reshape(-1, m)
        on, on_star = (a > 0).float(), (b > 0).float()
        r = on @ v - on_star @ v_star
        vr = r[:, None] * v
        relu = vr * on
        on_kink = ((b - self.kappa * a) > 0).float()
        kink = v * (r[:, None] - on * v + (on_star - on_kink) * v_star + 0.5 * v)
        c = torch.stack([relu, relu * (a < 1), vr, kink], dim=2)
        sums = torch.bmm(z.view(k, BLOCK * m, n).transpose(1, 2), c.view(k, BLOCK * m, 4))
        x = torch.cat(
            [
                (0.5 * r * r).view(k, BLOCK).sum(1)[:, None],
                (on * r[:, None]).view(k, BLOCK, m).sum(1),
                sums.transpose(1, 2).reshape(k, -1),
            ],
            dim=1,
        ).double() / BLOCK
        return x.sum(0), x.T @ x

    def run(self, samples):
        chunks = max(1, samples // (self.blocks * BLOCK))
        sums = products = 0
        with torch.no_grad():
            for _ in range(chunks):
                s, p = self.chunk()
                sums, products = sums + s, products + p
        return chunks * self.blocks * BLOCK


def tune(work):
    """Gives a contestant its fastest chunk: Z of about 0.25 to 16 MB."""
    def speed(entries):
        work.blocks = max(1, entries // (BLOCK * work.m * work.n))
        samples = 4_000_000 // (work.m * work.n)
        work.run(samples)
        return max(timed(work, samples)[1] for _ in range(3))

    best = max((1 << k for k in range(16, 23, 2)), key=speed)
    work.blocks = max(1, best // (BLOCK * work.m * work.n))


def own_pass(binary, m, n, threads, samples):
    command = [binary, "--benchmark", "--dimensions", f"{m}x{n}", "--threads", str(threads), "--samples", str(samples)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def timed(work, samples):
    """Samples per second, and per second of processor time."""
    start, processor = time.perf_counter(), time.process_time()
    done = work.run(samples)
    return done / (time.perf_counter() - start), done / (time.process_time() - processor)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", default="4x6,32x64", help="m×n, separated by commas")
    parser.add_argument("--numpy-only", action="store_true", help="leave PyTorch out")
    parser.add_argument("--binary", help="a verify-theory to time; by default it is built first")
    parser.add_argument("--out", default=os.path.join(ROOT, "runs", "theory", "benchmark.csv"))
    options = parser.parse_args()
    if not options.binary:
        build("verify-theory")
    binary = options.binary or os.path.join(ROOT, ".build", "release", "verify-theory")
    origin = {**facts(), "commit": commit(binary)}
    rows = []
    for m, n in (map(int, size.split("x")) for size in options.sizes.split(",")):
        # Seconds a pass, as in use (33 million samples a point): less would time the allocation of the covariances.
        own_samples = max(1 << 22, 4_000_000_000 // (m * n))
        contestants = {"numpy": NumPyPass(m, n, 1)}
        if not options.numpy_only:
            contestants["pytorch"] = TorchPass(m, n, options.threads)
        levels = NumPyLevels(m, n, 1)
        contestants["numpy, 4 bits"] = levels
        if options.threads > 1:
            contestants[f"numpy, {options.threads} threads by hand"] = NumPyPass(m, n, options.threads)
        for work in contestants.values():
            tune(work)
        rates = {name: [] for name in ["this package", "its generation alone", "this package, 4 bits", *contestants]}
        for _ in range(options.rounds):
            own = own_pass(binary, m, n, options.threads, own_samples)
            rates["this package"].append(own["pass"])
            rates["its generation alone"].append(own["generation"])
            rates["this package, 4 bits"].append(own["levels"])
            for name, work in contestants.items():
                rates[name].append(timed(work, own_samples // 32))
        wall = {name: statistics.median(pair[0] for pair in pairs) for name, pairs in rates.items()}
        processor = {name: statistics.median(pair[1] for pair in pairs) for name, pairs in rates.items()}
        for name, pairs in rates.items():
            mine = "this package, 4 bits" if name.endswith("4 bits") else "this package"
            speed = [wall[mine] / wall[name], processor[mine] / processor[name]]
            numbers = [wall[name], min(p[0] for p in pairs), max(p[0] for p in pairs), processor[name]]
            rows.append([m, n, options.threads, name, *(f"{x:.4g}" for x in numbers), *(f"{x:.3g}" for x in speed), *origin.values()])
            print(f"m={m} n={n}  {name:32s} {wall[name]:10.3g} samples/s [{numbers[1]:.3g}, {numbers[2]:.3g}], "
                  f"{processor[name]:10.3g} a second of processor time;"
                  f" this package is {speed[0]:.1f} times as fast ({speed[1]:.1f} by processor time)", flush=True)
        share = processor["this package"] / processor["its generation alone"]
        print(f"m={m} n={n}  Gaussian generation alone needs {100 * share:.0f} % of this package's time")
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    with open(options.out, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["m", "n", "threads", "implementation", "samples_per_second", "lowest", "highest", "samples_per_processor_second",
                         "this_package_times_as_fast", "times_by_processor_time", *origin])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
