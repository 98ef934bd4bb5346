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
from types import SimpleNamespace

import torch
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import bcgd  # noqa: E402
from bcgd.checkpoint import canonical  # noqa: E402
from bcgd_step import Descent, check_recipe, learning_rate  # noqa: E402
from images import ImageNetFiles, SmallImages  # noqa: E402


WARM_UP = 3  # steps before one is recorded: by then everything has been compiled and allocated
TEST_BATCH = 2000
# ‖a − b‖/‖b‖ of a layer's gradient. Rounding flips levels: 0.03 between PyTorch's own step and a compiled one of a newly quantized
# ResNet-20 in f32, whereas gradients that have nothing to do with each other differ by 1 or more.
LARGEST_DIFFERENCE = 0.5
OPTIONS = {"compiled": "compile", "recorded": "graphs"}


class Recorded:
    """A function of a batch as a CUDA graph: replayed, its kernels run without PyTorch's overhead. What it changes, it changes in place."""

    def __init__(self, function, batch, stream):
        self.batch, self.graph = [part.clone() for part in batch], torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=stream):
            function(self.batch)

    def __call__(self, batch):
        for kept, given in zip(self.batch, batch):
            kept.copy_(given)
        self.graph.replay()


class Run:
    """A checkpoint's run, and where it stands: `state`, as the suite has it. With a stream its steps are recorded as CUDA graphs."""

    def __init__(self, checkpoint, images, device, dtype=torch.float32, compiled=False, engine="pytorch", stream=None):
        precision = checkpoint.run.get("mixed", "f32")
        if precision != "f32":
            raise bcgd.Error(f"{checkpoint.path} is of a run in precision {precision}: start one with --precision f32")
        self.checkpoint, self.images, self.dtype, self.recipe = checkpoint, images, dtype, checkpoint.run["recipe"]
        check_recipe(self.recipe)
        # On processors PyTorch's batch norm of channels_last maps in f32 is off by 1e-4: levels flip by the thousand.
        self.form = torch.channels_last if torch.device(device).type == "cuda" else torch.contiguous_format
        self.module = bcgd.to_torch(checkpoint).to(device, dtype, memory_format=self.form)
        momenta = {name: torch.from_numpy(checkpoint[name + ".momentum"]) for name, _ in self.module.named_parameters()}
        self.descent = Descent(self.module, self.recipe, momenta)
        self.forward = torch.compile(self.module, dynamic=False) if compiled else self.module
        earlier = checkpoint.state.get("engine")
        self.state = {**checkpoint.state, "engine": engine if earlier in (None, engine) else f"{earlier}; then {engine}"}
        self.batches = -(-images.count // self.recipe["batch_size"])
        self.integers = sum(layer.weight.numel() for layer in self.descent.quantized)
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)
        self.stream, self.recorded, self.is_checked = stream, {}, False
        if stream is not None and (self.recipe.get("schedule", "step") != "step" or self.recipe.get("warmup_epochs", 0)):
            raise bcgd.Error(f"{checkpoint.path}: its rate changes with every step, so no step can be recorded: leave out --graphs")

    def on_its_stream(self):
        return torch.cuda.stream(self.stream)

    def step(self, batch, rate, forward):
        """One step, whose loss, hits and changed integers are added to `sums`."""
        x, labels = self.images.training(*batch)
        self.module.train()
        scores = forward(x.to(self.dtype, memory_format=self.form))
        loss = F.cross_entropy(scores, labels, label_smoothing=self.recipe.get("label_smoothing", 0))
        self.module.zero_grad(set_to_none=True)
        loss.backward()
        changes = self.descent.step(rate)
        self.sums += torch.stack([loss.detach().double() * len(labels), (scores.argmax(1) == labels).sum().double(),
                                  torch.zeros_like(loss).double() if changes is None else changes.double()])

    @torch.no_grad()
    def evaluate(self, batch):
        """Adds loss, hits and hits among the best five of test images to `sums`."""
        x, labels = self.images.test_images(*batch)
        self.module.eval()
        scores = self.module(x.to(self.dtype, memory_format=self.form))
        best = scores.topk(min(5, scores.shape[1]), 1).indices == labels[:, None]
        self.sums += torch.stack([F.cross_entropy(scores, labels, reduction="sum").double(), best[:, 0].sum(), best.sum()])

    def _next_step(self, batch):
        """An epoch's last batch, if smaller than the others, is not compiled for."""
        rate = learning_rate(self.recipe, self.state["epoch"], self.state["batch"], self.batches)
        forward = self.forward if len(batch[0]) == self.recipe["batch_size"] else self.module
        if forward is not self.module and not self.is_checked:
            self.is_checked = True
            return self._check("compiled", rate, lambda batch: self.step(batch, rate, forward), batch)
        self._run("step", rate, lambda batch: self.step(batch, rate, forward), batch)

    def _run(self, name, rate, function, batch):
        """As it was recorded for this rate and size of batch, where there is a stream. Before, it is warmed up."""
        key = name, len(batch[0])
        recorded = self.recorded.setdefault(key, SimpleNamespace(warm=0, rate=None, replay=None))
        if self.stream is None or recorded.warm < WARM_UP:
            recorded.warm += 1
            return function(batch)
        if recorded.rate != rate:
            recorded.replay, recorded.rate = Recorded(function, batch, self.stream), rate
            if name == "step":
                return self._check("recorded", rate, recorded.replay, batch)
        recorded.replay(batch)

    def _check(self, word, rate, fast, batch):
        """A step by `fast`, whose gradients must be those of PyTorch's own step: compilers have been wrong, and said nothing."""
        kept = [*self.module.state_dict().values(), *self.descent.momenta().values(), self.sums,
                *(part for layer in self.descent.quantized for part in layer.stored)]
        before = [tensor.clone() for tensor in kept]
        own = self._gradients(lambda: self.step(batch, rate, self.module))
        for tensor, old in zip(kept, before):
            tensor.copy_(old)
        found = self._gradients(lambda: fast(batch))
        for difference in (float((a - b).norm() / b.norm()) for a, b in zip(found, own)):
            if not difference < LARGEST_DIFFERENCE:
                raise bcgd.Error(
                    f"{self.checkpoint.run['name']}: the gradients of a {word} step are not those of PyTorch's own: ‖a − b‖/‖b‖ "
                    f"is {difference:.2f} in a layer, expected less than {LARGEST_DIFFERENCE}: leave out --{OPTIONS[word]}")

    def _gradients(self, step):
        """Of each layer's weights, f64, as momenta show them: m ← μm + g."""
        momenta = [m for name, m in self.descent.momenta().items() if name.endswith("weight") and m.ndim > 1]
        before = [m.double() for m in momenta]
        step()
        return [m.double() - self.recipe["momentum"] * old for m, old in zip(momenta, before)]

    def turns(self, limit=float("inf")):
        """The steps to the end of the epoch, or `limit`, one a turn."""
        state, images, steps, start = self.state, 0, 0, time.time()
        self.sums.zero_()
        for batch in self.images.training_batches(state["epoch"], self.recipe["batch_size"], state["batch"]):
            if steps == limit:
                break
            self._next_step(batch)
            state["batch"] += 1
            images, steps = images + len(batch[0]), steps + 1
            yield self
        loss, hits, changes = self.sums.tolist()
        if loss != loss or not bool(torch.stack([p.isfinite().all() for p in self.module.parameters()]).all()):
            raise bcgd.Error(f"{self.checkpoint.run['name']} diverged in epoch {state['epoch'] + 1}: try a smaller learning rate")
        for key, value in [("lossSum", loss), ("hits", int(hits)), ("images", images), ("seconds", time.time() - start)]:
            state[key] += value
        if self.integers:
            state["changes"], state["changeSteps"] = state.get("changes", 0) + int(changes), state.get("changeSteps", 0) + steps
        if steps:
            state.pop("layerChanges", None)  # of the suite's steps alone

    def train(self, limit=float("inf")):
        """To the end of the epoch, or `limit` steps. Returns the steps made."""
        return sum(1 for _ in self.turns(limit))

    def close_epoch(self):
        """Evaluates the test images, and writes the epoch's record."""
        start, count = time.time(), 0
        self.sums.zero_()
        for batch in self.images.test_batches(self.recipe["batch_size"] if self.stream is None else TEST_BATCH):
            self._run("evaluation", 0, self.evaluate, batch)
            count += len(batch[0])
        state, sums = self.state, self.sums.tolist()
        state["seconds"] += time.time() - start
        record = {"epoch": state["epoch"] + 1, "rate": learning_rate(self.recipe, state["epoch"], 0, self.batches),
                  "trainLoss": state["lossSum"] / state["images"], "trainTop1": 100 * state["hits"] / state["images"],
                  "testLoss": sums[0] / count, "testHits": int(sums[1]), "testTop5Hits": int(sums[2]), "testCount": count,
                  "seconds": state["seconds"]}
        if self.integers:
            record["integerChanges"] = 100 * state.pop("changes") / (self.integers * state.pop("changeSteps"))
        if "replaced" in state:  # images, in steps of the suite's
            record["replaced"] = state.pop("replaced")
        state["curve"] = state["curve"] + [record]
        state.update(epoch=state["epoch"] + 1, batch=0, lossSum=0, hits=0, images=0)
        return record

    def arrays(self):
        """Parameters, running statistics and momenta by name, f32."""
        kept = {name: value for name, value in self.module.state_dict().items() if not name.endswith("num_batches_tracked")}
        kept.update({name + ".momentum": value for name, value in self.descent.momenta().items()})
        return {name: value.detach().float().cpu().contiguous().numpy() for name, value in kept.items()}

    def save(self, path):
        bcgd.Checkpoint(self.arrays(), {**self.checkpoint.metadata, "state": canonical(self.state)}).write(path)


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
