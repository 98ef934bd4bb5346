# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint's run in PyTorch: its steps, epochs and evaluations."""
import os
import sys
import time
from types import SimpleNamespace

import torch
from torch.nn import functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import bcgd  # noqa: E402
from bcgd.checkpoint import canonical  # noqa: E402
from bcgd_step import Descent, check_recipe, learning_rate  # noqa: E402

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
        if checkpoint.metadata.get("holds") == "weights":
            raise bcgd.Error(f"{checkpoint.path} holds weights alone: give the checkpoint that it was exported from")
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
