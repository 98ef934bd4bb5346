# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch for the inference benchmark: runs an exported ONNX file operator by operator, describes itself in one line of JSON and
answers "go K" lines.  So it computes the very network that the others do."""
import argparse
import json
import resource
import sys
import time

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper


class OnnxModule(torch.nn.Module):
    """The operators that the exporter writes; constants are tensors, in the layout asked for."""

    def __init__(self, path, layout):
        super().__init__()
        graph = onnx.load(path).graph
        self.constants = {t.name: torch.from_numpy(np.array(numpy_helper.to_array(t))) for t in graph.initializer}
        if layout == "channels-last":
            self.constants = {k: v.to(memory_format=torch.channels_last) if v.dim() == 4 else v for k, v in self.constants.items()}
        self.steps = [self.step(node, {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}) for node in graph.node]

    def step(self, node, attributes):
        names, constants = list(node.input), self.constants
        number = lambda name: constants[name].item()
        match node.op_type:
            case "Conv":
                stride, padding = attributes["strides"][0], attributes["pads"][0]
                weight, bias = constants[names[1]], constants[names[2]]
                run = lambda x: F.conv2d(x, weight, bias, stride, padding)
            case "Relu": run = lambda x: F.relu(x, inplace=True)
            case "Ceil": run = torch.ceil_
            case "Clip":
                low, high = number(names[1]), number(names[2])
                run = lambda x: x.clamp_(low, high)
            case "Mul":
                factor = number(names[1])
                run = lambda x: x * factor
            case "Add": run = lambda x, y: x.add_(y)
            case "MaxPool":
                arguments = attributes["kernel_shape"][0], attributes["strides"][0], attributes["pads"][0]
                run = lambda x: F.max_pool2d(x, *arguments)
            case "Slice":
                step = int(constants[names[4]][0])
                run = lambda x: x[:, :, ::step, ::step]
            case "Pad":
                margin = int(constants[names[1]][1])
                run = lambda x: F.pad(x, (0, 0, 0, 0, margin, margin))
            case "GlobalAveragePool": run = lambda x: x.mean((2, 3), keepdim=True)
            case "Flatten": run = lambda x: x.flatten(1)
            case "Gemm":
                weight, bias = constants[names[1]], constants[names[2]]
                run = lambda x: F.linear(x, weight, bias)
            case other: raise SystemExit(f"error: the exporter writes no {other}")
        return run, [name for name in names if name not in constants], node.output[0]

    def forward(self, image):
        values = {"image": image}
        for run, inputs, output in self.steps:
            values[output] = run(*(values[name] for name in inputs))
        return values["scores"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--layout", choices=("nchw", "channels-last"), default="channels-last")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    module = OnnxModule(options.model, options.layout).eval()
    shape = [d.dim_value for d in onnx.load(options.model).graph.input[0].type.tensor_type.shape.dim][1:]
    images = torch.from_numpy(np.random.default_rng(1).standard_normal([options.batch] + shape, dtype=np.float32))
    if options.layout == "channels-last":
        images = images.to(memory_format=torch.channels_last)
    print(json.dumps({"batch": options.batch, "threads": options.threads}), flush=True)
    with torch.inference_mode():
        for line in sys.stdin:
            count, start = int(line.split()[1]), time.perf_counter()
            for _ in range(count):
                scores = module(images)
            milliseconds = 1e3 * (time.perf_counter() - start) / count
            print(json.dumps({"milliseconds": milliseconds, "loss": float(scores[0, 0]),
                              "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}), flush=True)


if __name__ == "__main__":
    main()
