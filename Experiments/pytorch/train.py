#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains a run of the suite in PyTorch, on a GPU or a processor: a second implementation of BCGD (Documentation/Cluster.md).

    reproduce table1 … --precision f32 --out gpu --stop-after 0          # the run's checkpoint before its first step
    python3 Experiments/pytorch/train.py gpu/checkpoints/RUN.safetensors --data DIR --device cuda
    reproduce table1 … --precision f32 --out gpu --resume                # evaluates it and writes its row

The checkpoint gives the recipe, the network, the first weights and where the run stands; images, their order and placements are the
suite's. It is written again after each epoch, at the end as it stands before the last evaluation. Needs PyTorch and NumPy; for images
in files Pillow. Rows and checkpoints name the engine.
"""
import argparse
import concurrent.futures
import fcntl
import multiprocessing
import os
import re
import socket
import sys
import time
import zlib

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import bcgd  # noqa: E402
from images import ImageNetFiles, SmallImages  # noqa: E402
from training_run import Run  # noqa: E402


def load_images(checkpoint, folder, device, classes=None, workers=4, pool=None):
    """The images of the run's data set: as many as the run began with, and as far as its checkpoint knows them the same."""
    run, recipe = checkpoint.run, checkpoint.run["recipe"]
    try:
        if run["dataset"].startswith("ImageNet"):
            images = ImageNetFiles(folder, recipe, run["seed"], device, classes, workers)
        else:
            images = SmallImages(run["dataset"], folder, recipe, run["seed"], device, pool)
    except (OSError, EOFError, KeyError, StopIteration, TypeError, ValueError, zlib.error) as error:
        raise bcgd.Error(f"the images of {run['dataset']} cannot be read from {folder}: {error!r}") from None
    expected = int(checkpoint.state.get("data", str(images.count)).split()[0])
    if images.count != expected:
        raise bcgd.Error(f"{folder} holds {images.count} training images, but {checkpoint.path} was begun with {expected}")
    _, known, checksum = checkpoint.state.get("data", "").partition(", checksum ")
    if known and images.checksum() != checksum:
        raise bcgd.Error(f"{folder} holds other images than {checkpoint.path} was begun with: their CRC-32 is {images.checksum()}, "
                         f"expected {checksum}")
    named = checkpoint.classes is not None and all(re.fullmatch(r"n\d{8}", name) for name in checkpoint.classes)
    if images.classes is not None and named and checkpoint.classes != images.classes:
        raise bcgd.Error(f"{folder} has other classes than {checkpoint.path} was begun with, or another order")
    return images


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoints", nargs="+", metavar="checkpoint",
                        help="of an unfinished run, mostly by reproduce … --stop-after 0; it is written again. Several train side by side")
    parser.add_argument("--data", help="folder with the images, as reproduce has it")
    parser.add_argument("--classes", help="ImageNet: the class list")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--steps", type=int, help="save and end after so many steps")
    parser.add_argument("--out", help="write this file instead of the checkpoint")
    parser.add_argument("--tf32", action="store_true", help="TF32 convolutions and products")
    parser.add_argument("--compile", action="store_true", help="by torch.compile")
    parser.add_argument("--graphs", action="store_true", help="record steps as CUDA graphs, each run's on a stream of its own")
    parser.add_argument("--workers", type=int, default=4, help="processes that decode files")
    parser.add_argument("--threads", type=int, help="of PyTorch on the processor")
    arguments = parser.parse_args()
    try:
        train(arguments)
    except (bcgd.Error, OSError) as error:
        sys.exit(f"Error: {error}")


def train(arguments):
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise bcgd.Error("this PyTorch sees no GPU: --device cpu, or install a PyTorch with CUDA")
    if arguments.graphs and arguments.device == "cpu":
        raise bcgd.Error("--graphs are CUDA's: leave it out, or take --device cuda")
    if arguments.out and len(arguments.checkpoints) > 1:
        raise bcgd.Error(f"--out names one file, but {len(arguments.checkpoints)} checkpoints are given")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = arguments.tf32
    torch.backends.cudnn.benchmark = arguments.graphs
    locks = [lock(path) for path in arguments.checkpoints]  # held until the program ends
    waiting = [(run, work(run, arguments.out or path, arguments.steps)) for run, path in begin(arguments)]
    active, turn, apart = [], 0, len(waiting)
    while waiting or active:
        # Begun apart, so that not all evaluate at the same time.
        if waiting and (not active or turn >= active[-1][0].batches // apart):
            active, turn = active + [waiting.pop(0)], 0
        for pair in list(active):
            with pair[0].on_its_stream():
                if next(pair[1], None) is None:
                    active.remove(pair)
        turn += 1


def lock(path):
    """The run's, as the suite takes it (Sources/Experiments/Running/OutputFolder.swift): one trainer at a time."""
    name = os.path.splitext(os.path.realpath(path))[0] + ".lock"
    file = open(name, "a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another program"
        raise bcgd.Error(f"{path} is being trained by {holder}: wait for its end") from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    return file


def begin(arguments):
    """The runs, each with its checkpoint's path."""
    device, count = torch.device(arguments.device), len(arguments.checkpoints)
    context = multiprocessing.get_context("spawn")  # a fork of a process that uses CUDA cannot be relied on
    pool = concurrent.futures.ProcessPoolExecutor(count, context) if arguments.graphs else None
    where = torch.cuda.get_device_name() if device.type == "cuda" else "processor"
    chosen = [(arguments.tf32, "TF32"), (arguments.compile, "compiled"), (arguments.graphs, "CUDA graphs"),
              (count > 1, f"{count} runs at a time")]
    engine = ", ".join([f"pytorch {torch.__version__}", where] + [word for is_so, word in chosen if is_so])
    for path in arguments.checkpoints:
        checkpoint, stream = bcgd.read_checkpoint(path), torch.cuda.Stream() if arguments.graphs else None
        images = load_images(checkpoint, arguments.data, device, arguments.classes, arguments.workers, pool)
        if device.type == "cuda":
            torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            yield Run(checkpoint, images, device, compiled=arguments.compile, engine=engine, stream=stream), path


def work(run, path, steps=None):
    """What is left of a run, or so many steps of it, one a turn."""
    left, epochs, name = float("inf") if steps is None else steps, run.recipe["epochs"], run.checkpoint.run["name"]
    while left > 0 and run.state["epoch"] < epochs and not is_trained(run):
        start, batch, images = time.time(), run.state["batch"], run.state["images"]
        yield from run.turns(left)
        left -= run.state["batch"] - batch
        rate = (run.state["images"] - images) / (time.time() - start)
        if run.state["batch"] == run.batches and run.state["epoch"] < epochs - 1:
            record = run.close_epoch()
            top1 = 100 * record["testHits"] / record["testCount"]
            print(f"{name}: epoch {record['epoch']} of {epochs}: loss {record['trainLoss']:.4f}, test {top1:.2f} %, "
                  f"{rate:.0f} images a second", flush=True)
        run.save(path)
    if is_trained(run):
        print(f"{path}: all steps are done; the command that began the run, with --resume, evaluates it", flush=True)


def is_trained(run):
    """All steps are made; the last evaluation is the suite's, so that its row and its images belong together."""
    return run.state["epoch"] == run.recipe["epochs"] - 1 and run.state["batch"] == run.batches


if __name__ == "__main__":
    main()
