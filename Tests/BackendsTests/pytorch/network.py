# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole quantized network: its loss, gradients, levels and first α."""
import numpy as np
import torch
import torch.nn.functional as F

from quantized_relu import QuantizedReLU, margin
from vector_files import MARGIN, Step, find_seed, leaf, out, save

BITS, CLASSES = 4, 5
#           name, c_in, c_out, stride of each basic block
BLOCKS = [("block1", 4, 4, 1), ("block2", 4, 8, 2)]
CONVOLUTIONS = [("stem.conv", 3, 4, 1), ("block1.conv1", 4, 4, 1), ("block1.conv2", 4, 4, 1), ("block2.conv1", 4, 8, 2),
        ("block2.conv2", 8, 8, 1)]
NORMS = [(name.replace("conv", "bn"), c_out) for name, _, c_out, _ in CONVOLUTIONS]
QUANTIZED = [name + ".weight" for name, *_ in CONVOLUTIONS] + ["linear.weight"]
ALPHAS = ["stem.alpha", "block1.alpha1", "block1.alpha2", "block2.alpha1", "block2.alpha2"]
TRAINED = QUANTIZED + [f"{name}.{p}" for name, _ in NORMS for p in ("gamma", "beta")] + ["linear.bias"]
STATISTICS = [f"{name}.{p}" for name, _ in NORMS for p in ("running_mean", "running_var")]


def binary(w):
    """Exact 1-bit projection δ·sign(w), δ = ‖w‖₁/n over the layer, sign(0) = +1."""
    return w.abs().mean() * torch.where(w >= 0, torch.ones_like(w), -torch.ones_like(w))


class Run:
    """Parameters of the tiny network in one precision; forward quantizes the activations as it goes."""

    def __init__(self, state, dtype):
        self.dtype = dtype
        self.value = {key: torch.from_numpy(array.copy()).to(dtype) for key, array in state.items()}   # batch norm writes into it
        self.margin, self.activation, self.scales = np.inf, {}, {}

    def quantize(self, strict):
        """Weights as the forward pass sees them; leaves with gradients."""
        for key in QUANTIZED if strict else []:
            w = self.value[key]
            if w.abs().min() < MARGIN * w.abs().mean():
                raise Step
        self.seen = {key: (binary(self.value[key]) if key in QUANTIZED else self.value[key]).detach().clone().requires_grad_()
                     for key in TRAINED + ALPHAS}

    def norm(self, x, name, update=True):
        mean, var = self.value[name + ".running_mean"], self.value[name + ".running_var"]
        if not update:
            mean, var = mean.clone(), var.clone()
        return F.batch_norm(x, mean, var, self.seen[name + ".gamma"], self.seen[name + ".beta"], True, 0.1, 1e-5)

    def activate(self, x, name, fit, strict):
        if fit:     # α from this very batch: max(feature map)/(2^b − 1)
            self.seen[name] = (x.detach().max() / (2 ** BITS - 1)).reshape(1).requires_grad_()
            self.scales[name] = out(self.seen[name])
        else:
            self.margin = min(self.margin, margin(x, self.seen[name], BITS))
        if strict and self.margin < MARGIN:
            raise Step
        y = QuantizedReLU.apply(x, self.seen[name], BITS, "clipped-relu", "three-valued")
        self.activation[name.replace("alpha", "levels")] = out((y / self.seen[name]).round(), True).astype(np.uint8)
        return y

    def forward(self, x, fit=False, strict=False):
        """Logits [N, CLASSES] of x, NHWC leaf already permuted to NCHW."""
        def convolve(x, name, stride):
            x = F.conv2d(x, self.seen[name + ".weight"], None, stride, 1)
            return self.norm(x, name.replace("conv", "bn"), update=not fit)

        x = self.activate(convolve(x, "stem.conv", 1), "stem.alpha", fit, strict)
        for name, c_in, c_out, stride in BLOCKS:
            y = self.activate(convolve(x, name + ".conv1", stride), name + ".alpha1", fit, strict)
            y = convolve(y, name + ".conv2", 1)
            pad = (c_out - c_in) // 2
            x = self.activate(y + F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, pad, pad)), name + ".alpha2", fit, strict)
        return F.linear(x.mean((2, 3)), self.seen["linear.weight"], self.seen["linear.bias"])

    def gradients(self, x, labels, strict):
        self.quantize(strict)
        x = leaf(x, self.dtype, True)
        logits = self.forward(x, strict=strict)
        loss = F.cross_entropy(logits, torch.from_numpy(labels))
        loss.backward()
        return x, logits, loss


def initial(random):
    """Random state and a first guess of α; everything float32-representable."""
    state = {}
    for name, c_in, c_out, _ in CONVOLUTIONS:
        state[name + ".weight"] = (2 / (9 * c_out)) ** 0.5 * random(c_out, c_in, 3, 3)
    state["linear.weight"], state["linear.bias"] = 0.3 * random(CLASSES, 8), 0.1 * random(CLASSES)
    for name, c in NORMS:
        state[name + ".gamma"], state[name + ".beta"] = 1 + 0.2 * random(c), 0.2 * random(c) + 0.1
        state[name + ".running_mean"], state[name + ".running_var"] = 0.1 * random(c), 1 + 0.1 * random(c) ** 2
    state.update({name: np.ones(1) for name in ALPHAS})
    return {key: np.float32(value).astype(np.float64) for key, value in state.items()}


def fitted(state, x, dtype=torch.float64):
    """[A layer's] α = max(feature map)/(2^b − 1), layer after layer, earlier layers quantized, batch-norm in train mode."""
    run = Run(state, dtype)
    run.quantize(strict=False)
    run.forward(leaf(x, dtype, True), fit=True)
    return run.scales


NETWORK = dict(
    layers="stem.conv stem.bn stem.alpha; block1 (4 to 4, stride 1); block2 (4 to 8, stride 2); global average pool; linear",
    block="conv1 bn1 qrelu(alpha1) conv2 bn2, + shortcut, qrelu(alpha2)",
    shortcut="x[:, ::s, ::s, :], zero channels (c_out-c_in)/2 on both sides",
    bits=BITS, weight_bits=1, quantized_weights=" ".join(QUANTIZED), batch_norm="train, momentum 0.1, epsilon 1e-5",
    x_derivative="clipped-relu", alpha_derivative="three-valued")


def scaled(alphas):
    """0.8 of the fitted α, so that some activations saturate."""
    return {key: np.float32(0.8 * value).astype(np.float64) for key, value in alphas.items()}


def network_gradients():
    def attempt(random, integers):
        state, x, labels = initial(random), random(3, 5, 5, 3), integers.randint(0, CLASSES, 3)
        state.update(scaled(fitted(state, x)))
        Run(state, torch.float64).gradients(x, labels, strict=True)
        return state, x, labels

    seed, (state, x, labels) = find_seed(600, attempt)
    inputs = {"x": x, "labels": labels, **state}
    margins = []

    def run(values, dtype):
        run = Run(state, dtype)
        leaf_x, logits, loss = run.gradients(x, labels, strict=False)
        margins.append(run.margin)
        result = {"logits": out(logits), "loss": out(loss.reshape(1)), "grad.x": out(leaf_x.grad, True), **run.activation}
        result.update({"grad." + key: out(run.seen[key].grad) for key in TRAINED + ALPHAS})
        result.update({"quantized." + key: out(run.seen[key]) for key in QUANTIZED})
        result.update({"after." + key: out(run.value[key]) for key in STATISTICS})
        return result

    levels = run(None, torch.float64)
    assert all((levels[key] == 15).any() and (levels[key] == 0).any() for key in levels if "levels" in key), "α saturates nowhere"
    margins.clear()
    save("network_gradients", run, inputs, seed=seed, margin=LazyMinimum(margins), **NETWORK)

    save("network_alpha_init", lambda values, dtype: {"fitted." + key: value for key, value in fitted(state, x, dtype).items()},
         {"x": x, **state}, rule="alpha = max(feature map)/(2^bits - 1), layer after layer, earlier layers quantized, weights quantized; "
         "the stored NAME.alpha are not used", **NETWORK)


class LazyMinimum:
    """Formats the margin after the runs that measure it."""
    def __init__(self, values): self.values = values
    def __str__(self): return f"{min(self.values):.1e}"
