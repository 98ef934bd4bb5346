#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images a second of a training step in PyTorch on random images: of a checkpoint's quantized network, and of the same one in floats.

    python3 Experiments/pytorch/step_time.py CHECKPOINT --device cuda --batch 256      # JSON, a row a configuration

Only the checkpoint's graph and recipe count, so it may hold no tensors. f32 and, on a GPU, TF32 and bf16 (autocast, of the float
network alone: coarse gradients decide by f32 pre-activations); both memory formats; by torch.compile where that works. Without
PyTorch or a GPU it says so in one line and ends well.
"""
import argparse
import copy
import itertools
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20, help="of one measurement, after as many to warm up as a third")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved; the median counts")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--seconds", type=float, default=300,
            help="to prepare configurations in, the compiled ones last (default: %(default)s)")
    parser.add_argument("--out", help="also write the JSON here")
    arguments = parser.parse_args()
    try:
        import torch
    except ImportError:
        return print("step_time.py: not run: there is no PyTorch here")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        return print(f"step_time.py: not run: PyTorch {torch.__version__} sees no GPU here")
    text = json.dumps(measure(torch, arguments), indent=1)
    print(text)
    if arguments.out:
        with open(arguments.out, "w") as file:
            file.write(text + "\n")


def measure(torch, arguments):
    import bcgd
    checkpoint = bcgd.read_checkpoint(arguments.checkpoint)
    precisions = ["f32", "tf32", "bf16"] if arguments.device == "cuda" else ["f32"]
    cases = []
    for quantized, precision, channels_last, compiled in itertools.product((True, False), precisions, (False, True), (False, True)):
        if not (quantized and precision == "bf16") and not (compiled and (arguments.no_compile or not channels_last)):
            cases.append(Case(torch, checkpoint, arguments, quantized, precision, channels_last, compiled))
    start = time.monotonic()
    for case in sorted(cases, key=lambda case: case.compiled):
        if time.monotonic() - start < arguments.seconds:
            case.prepare()
        else:
            case.fault = f"not begun within --seconds {arguments.seconds:g}"
        print(f"{time.monotonic() - start:.0f} s: {case.row()}", file=sys.stderr, flush=True)
    for _ in range(arguments.rounds):
        for case in cases:
            case.time()
    where = torch.cuda.get_device_name() if arguments.device == "cuda" else f"{torch.get_num_threads()} threads"
    image = checkpoint.graph["input"]
    return {"device": where, "torch": torch.__version__, "batch": arguments.batch,
            "image": [image["height"], image["width"], image["channels"]],
            "steps": arguments.steps, "rounds": arguments.rounds, "network": checkpoint.run["recipe"]["network"],
            "rows": [case.row() for case in cases]}


class Case:
    """A network, and how it is trained; a fault (say, of a compiler that is missing) becomes its row's."""

    def __init__(self, torch, checkpoint, arguments, quantized, precision, channels_last, compiled):
        self.torch, self.checkpoint, self.arguments = torch, checkpoint, arguments
        self.quantized, self.precision, self.channels_last, self.compiled = quantized, precision, channels_last, compiled
        self.seconds, self.fault, self.memory = [], None, None

    def build(self):
        import bcgd
        from bcgd.modules import Network
        from bcgd.pytorch import _tensors
        from bcgd_step import Descent
        torch, recipe = self.torch, dict(self.checkpoint.run["recipe"])
        graph = self.checkpoint.graph if self.quantized else floats(bcgd, self.checkpoint)
        if not self.quantized:
            recipe["method"] = "float"
        torch.manual_seed(1)
        tensors = {}
        for name, shape in itertools.chain(*(part.items() for part in _tensors(graph))):
            tensors[name] = torch.randn(shape) * (2 / max(1, shape[0] * (shape[-1] ** 2 if len(shape) == 4 else 1))) ** 0.5
            if len(shape) == 1:
                tensors[name] = torch.full(shape, 0.0 if name.endswith(("bias", "mean")) else 0.2 if name.endswith("resolution") else 1.0)
        form = torch.channels_last if self.channels_last else torch.contiguous_format
        self.module = Network(graph, tensors).to(self.arguments.device, memory_format=form).train()
        self.descent = Descent(self.module, recipe)
        self.forward = torch.compile(self.module) if self.compiled else self.module
        image, count = graph["input"], self.arguments.batch
        self.x = torch.randn(count, image["channels"], image["height"], image["width"], device=self.arguments.device).to(memory_format=form)
        classes = max(settings.get("outputs", 0) for _, settings in graph.operations)
        self.labels = torch.randint(0, classes, (count,), device=self.arguments.device)

    def step(self):
        torch = self.torch
        with torch.autocast(self.arguments.device, torch.bfloat16, enabled=self.precision == "bf16"):
            scores = self.forward(self.x)
        loss = torch.nn.functional.cross_entropy(scores.float(), self.labels)
        self.module.zero_grad(set_to_none=True)
        loss.backward()
        self.descent.step(1e-6)  # so small that random images change nothing that counts

    def run(self, steps):
        torch, cuda = self.torch, self.arguments.device == "cuda"
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = self.precision != "f32"
        torch.backends.cudnn.benchmark = True
        if cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(steps):
            self.step()
        if cuda:
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / max(steps, 1)

    def prepare(self):
        try:
            self.build()
            if self.arguments.device == "cuda":
                self.torch.cuda.reset_peak_memory_stats()
            self.run(max(3, self.arguments.steps // 3))
            self.memory = self.torch.cuda.max_memory_allocated() if self.arguments.device == "cuda" else None
        except Exception as error:  # noqa: BLE001: one configuration's fault must not cost the others
            self.fault = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]

    def time(self):
        if self.fault is None:
            self.seconds.append(self.run(self.arguments.steps))

    def row(self):
        row = {"network": "quantized" if self.quantized else "float", "precision": self.precision,
               "memory_format": "channels_last" if self.channels_last else "contiguous", "compiled": self.compiled}
        if self.fault is not None:
            return {**row, "fault": self.fault}
        if not self.seconds:
            return row
        middle = sorted(self.seconds)[len(self.seconds) // 2]
        return {**row, "images_a_second": round(self.arguments.batch / middle, 1), "step_seconds": [round(s, 6) for s in self.seconds],
                "peak_bytes": self.memory}


def floats(bcgd, checkpoint):
    """The graph without its quantizers."""
    graph = bcgd.checkpoint.Graph(copy.copy(checkpoint))
    for node, (kind, settings) in zip(graph["nodes"], graph.operations):
        settings.pop("weights", None)
        if kind == "activation":
            settings["_0"] = {"function": "relu"}
    return graph


if __name__ == "__main__":
    main()
