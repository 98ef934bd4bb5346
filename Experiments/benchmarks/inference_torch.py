# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch for the inference benchmark: runs an exported ONNX file, operator by operator or compiled, describes itself in one line of
JSON and answers "go K" lines.  So it computes the very network that the others do."""
import argparse

import numpy as np
import onnx
import torch
import torch._inductor.config
import torch.nn.functional as F
from onnx import numpy_helper

from answers import add_size, answer, size, standard_output
from inference_layers import images


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
    parser.add_argument("--compile", action="store_true", help="by torch.compile, weights frozen into the code, the fastest kernels sought")
    add_size(parser)
    options = parser.parse_args()
    answers = standard_output()
    torch.set_num_threads(options.threads)
    module = OnnxModule(options.model, options.layout).eval()
    shape = [d.dim_value for d in onnx.load(options.model).graph.input[0].type.tensor_type.shape.dim][1:]
    pictures = torch.from_numpy(images(options.batch, shape))
    if options.layout == "channels-last":
        pictures = pictures.to(memory_format=torch.channels_last)
    if options.compile:
        torch._inductor.config.freezing = True
        module = torch.compile(module, mode="max-autotune")
    with torch.no_grad() if options.compile else torch.inference_mode():  # weights are frozen without gradients only
        module(pictures)  # compiles, if asked
        answer(size(options), lambda: module(pictures), to=answers)


if __name__ == "__main__":
    main()
