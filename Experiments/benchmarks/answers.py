# SPDX-License-Identifier: GPL-3.0-or-later
"""What every peer of the benchmarks answers to the program that drives it."""
import json
import os
import resource
import sys
import time


def standard_output():
    """A stream for the answers alone: what libraries print goes to standard error from now on."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def answer(description, run, to=sys.stdout):
    """Writes the description as a line of JSON, then answers each line "go K" with the mean of K calls of `run`: in milliseconds, with
    the first number of what the last one returned (a loss or a score) and the most memory so far."""
    print(json.dumps(description), file=to, flush=True)
    for line in sys.stdin:
        count, start = int(line.split()[1]), time.perf_counter()
        for _ in range(count):
            numbers = run()
        milliseconds = 1e3 * (time.perf_counter() - start) / count
        print(json.dumps({"milliseconds": milliseconds, "loss": float(numbers.ravel()[0]),
                          "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}), file=to, flush=True)


def add_size(parser):
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)


def size(options):
    return {"batch": options.batch, "threads": options.threads}
