# SPDX-License-Identifier: GPL-3.0-or-later
"""A graph as a torch.nn.Module: one small module a node, under the node's name."""
import torch
from torch import nn
from torch.nn import functional as F

from .error import Error
from .projection import project

EPSILON = 1e-5  # batch norm's


def straight_through(value, quantized):
    """The quantized number to the bit, with the gradient of the other."""
    return quantized.detach() + (value - value.detach()) if torch.is_grad_enabled() else quantized


def _version(tensor):
    """Another number after every change in place, such as an optimizer's."""
    return 0 if tensor.is_inference() else tensor._version


class Weighted(nn.Module):
    """A convolution or linear layer, its weights projected in every pass. Where the run's evaluation lags, a checkpoint's weights are
    evaluated as it has them quantized, until they are trained or others are loaded."""

    def __init__(self, name, kind, settings, tensors):
        super().__init__()
        self.kind, self.settings, self.quantization = kind, settings, settings.get("weights")
        self.weight = nn.Parameter(tensors[name + ".weight"])
        self.bias = nn.Parameter(tensors[name + ".bias"]) if name + ".bias" in tensors else None
        if name + ".weight.resolution" in tensors:
            self.weight_resolution = nn.Parameter(tensors[name + ".weight.resolution"])
        lagging = [tensors.get(f"{name}.weight.{part}") for part in ("scales", "codes")]
        self.lagging = None if lagging[0] is None else lagging
        self.version = _version(self.weight)
        #: Scales and integers of who projects the weights himself (Experiments/pytorch).
        self.stored = None

    def _load_from_state_dict(self, *arguments):
        self.lagging = None
        super()._load_from_state_dict(*arguments)

    def __setstate__(self, state):  # of a copy, whose weights count their changes anew
        super().__setstate__(state)
        self.version = _version(self.weight)

    def quantized_weight(self):
        if self.quantization is None:
            return self.weight
        if self.lagging is not None and (self.training or _version(self.weight) != self.version):
            self.lagging = None
        scales, integers = self.stored or self.lagging or self._projected()
        shape = (-1,) + (1,) * (self.weight.ndim - 1)
        return straight_through(self.weight, (scales.reshape(shape) * integers).to(self.weight))

    def _projected(self):
        steps = getattr(self, "weight_resolution", None)
        weights, steps = (None if t is None else t.detach().cpu().float().numpy() for t in (self.weight, steps))
        found = project(weights, self.quantization, steps)
        return tuple(map(torch.from_numpy, found))

    def forward(self, x):
        if self.kind == "linear":
            return F.linear(x.flatten(1), self.quantized_weight(), self.bias)
        return F.conv2d(x, self.quantized_weight(), self.bias, self.settings["stride"], self.settings["padding"])


class QuantizedReLU(torch.autograd.Function):
    """σ(x, α) = α·clamp(ceil(x/α), 0, 2^b − 1) with its coarse derivatives in x and α (METHOD.md part 1)."""

    @staticmethod
    def forward(ctx, x, alpha, bits, input_derivative, step_size_derivative):
        ratio = x / alpha
        ctx.save_for_backward(ratio)
        ctx.settings = 2 ** bits - 1, input_derivative, step_size_derivative
        return torch.ceil(ratio).clamp_(0, 2 ** bits - 1).mul_(alpha)

    @staticmethod
    def backward(ctx, gradient):
        (ratio,), (top, input_derivative, step_size_derivative) = ctx.saved_tensors, ctx.settings
        positive, above = (torch.ops.aten.threshold_backward(gradient, ratio, limit) for limit in (0, top))  # where ratio > limit, else 0
        within = positive - above
        inside = {"three-valued": lambda: (top + 1) / 2 * within.sum(), "almost-everywhere": lambda: (torch.ceil(ratio) * within).sum(),
                  "two-valued": lambda: 0, "minimum": within.sum}[step_size_derivative]()
        dx = {"clipped-relu": within, "relu": positive, "identity": gradient}[input_derivative]
        return dx, (inside + top * above.sum()).reshape(1), None, None, None


class Activation(nn.Module):
    """Plain ReLU, the quantized ReLU, or α·clamp(round(x/α), 0, 2^b − 1) of LSQ, PACT and DoReFa, with clipping's gradient."""

    def __init__(self, name, settings, tensors):
        super().__init__()
        function = settings["function"]
        self.is_float, self.rounds_up = function == "relu", function == "quantized-relu"
        if self.is_float:
            return
        if not self.rounds_up and function.split("-")[0] not in ("lsq", "pact", "dorefa") or function.endswith("signed"):
            raise Error(f"the activation {function} is none of this suite's")
        self.top = 2 ** (settings["bits"] if self.rounds_up else int(function.split("-")[1])) - 1
        resolution = tensors[name + ".resolution"]
        if function.startswith("dorefa"):
            self.register_buffer("resolution", resolution)  # 1/(2^b − 1), not learned
        else:
            self.resolution = nn.Parameter(resolution)
        self.derivatives = settings.get("input_derivative"), settings.get("resolution_derivative")
        self.bits = settings.get("bits")

    def forward(self, x):
        if self.is_float:
            return F.relu(x)
        if self.rounds_up:
            return QuantizedReLU.apply(x, self.resolution, self.bits, *self.derivatives)
        levels = torch.clamp(torch.round(x / self.resolution), 0, self.top)
        return straight_through(torch.minimum(F.relu(x), self.top * self.resolution), self.resolution * levels)


def batch_norm(name, tensors, is_affine):
    norm = nn.BatchNorm2d(len(tensors[name + ".weight"]), eps=EPSILON)
    norm.load_state_dict({part: tensors[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")}, strict=False)
    for parameter in norm.parameters():
        parameter.requires_grad_(is_affine)
    return norm


class Network(nn.Module):
    """Nodes in order; those with tensors are submodules under their names, so that state_dict has the checkpoint's names."""

    def __init__(self, graph, tensors):
        super().__init__()
        #: Whether batch norms learn a scale and a shift.
        self.is_affine = graph.recipe.get("batch_norm_affine", True)
        self.steps = []  # a submodule's name, so that a deep copy computes with its own, or a function
        for node, (kind, settings) in zip(graph["nodes"], graph.operations):
            self.steps.append((self._step(node["name"], kind, settings, tensors), node["inputs"]))

    def _step(self, name, kind, settings, tensors):
        if kind in ("convolution", "linear"):
            return self._register(name, Weighted(name, kind, settings, tensors))
        if kind == "batchNorm":
            return self._register(name, batch_norm(name, tensors, self.is_affine))
        if kind == "activation":
            return self._register(name, Activation(name, settings["_0"], tensors))
        if kind == "maxPool":
            return lambda x: F.max_pool2d(x, settings["window"], settings["stride"], settings["padding"])
        if kind == "meanPool":
            return lambda x: x.mean((2, 3), keepdim=True)
        if kind == "add":
            stride = settings["_0"].get("subsampled", {}).get("stride")
            return lambda x, other: x + (other if stride is None else subsampled(other, stride, x.shape[1]))
        raise Error(f"the layer {name} is a {kind}, which this package does not know")

    def _register(self, name, module):
        place, (*folders, last) = self, name.split(".")
        for folder in folders:
            if not hasattr(place, folder):
                place.add_module(folder, nn.Module())
            place = getattr(place, folder)
        place.add_module(last, module)
        return name

    def forward(self, x):
        maps = []
        for step, inputs in self.steps:
            compute = self.get_submodule(step) if isinstance(step, str) else step
            maps.append(compute(*(x if i < 0 else maps[i] for i in inputs)))
        return maps[-1].flatten(1)


def subsampled(x, stride, channels):
    """Every stride-th pixel, with as many zero channels on both sides."""
    x, margin = x[:, :, ::stride, ::stride], (channels - x.shape[1]) // 2
    return F.pad(x, (0, 0, 0, 0, margin, channels - x.shape[1] - margin))
