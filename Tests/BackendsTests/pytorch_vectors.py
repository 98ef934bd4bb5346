#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference vectors from PyTorch for the layers, one whole quantized network, and BCGD training.

    python3 pytorch_vectors.py [OUT_FOLDER]        # default: Vectors beside this script

Every case runs in float64 on inputs that float32 holds exactly, and once more in float32; the
float64 results are stored as F32.  `f32_error.NAME` in a file's metadata is the float32 run's
max |difference| / max |reference| of that tensor, `f32_error` their maximum: what a float32
implementation may be expected to miss by (an order of summation away, so allow a small multiple).
Activations are stored NHWC, convolution weights OIHW, linear weights (out, in).
Quantized values agree only while no number sits on a step: `margin` in the metadata is the smallest
relative distance of any x/alpha to a ceil boundary in the recorded run; seeds are searched for 1e-4.
"""
import json
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
MARGIN = 1e-4


# --- safetensors -----------------------------------------------------------------------------

TYPES = {"float32": "F32", "float64": "F64", "int64": "I64", "int32": "I32", "uint8": "U8", "int8": "I8"}


def write_safetensors(path, tensors, metadata):
    """Widest elements first, then by name: every tensor is aligned to its element size."""
    header, blobs, offset = {"__metadata__": dict(sorted(metadata.items()))}, [], 0
    for name, array in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        blob = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": TYPES[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "Vectors")


def stored(value):
    """A result as it is stored: float64 as F32, integers as they are; dimensions as they are."""
    array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    array = np.atleast_1d(array)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def save(name, run, inputs, **metadata):
    """Runs `run(inputs, dtype)` in float64 and float32 and stores inputs and outputs of the former."""
    outputs, rough = run(inputs, torch.float64), run(inputs, torch.float32)
    metadata = {key: str(value) for key, value in metadata.items()}
    metadata.update(case=name, source=f"PyTorch {torch.__version__}")
    errors = {}
    for key, value in outputs.items():
        exact, approximate = np.asarray(value), np.asarray(rough[key])
        assert exact.shape == approximate.shape and np.isfinite(exact).all(), (name, key)
        if exact.dtype == np.float64:
            errors[key] = np.abs(exact - approximate).max() / max(np.abs(exact).max(), 1e-30)
            metadata["f32_error." + key] = f"{errors[key]:.1e}"
        else:
            assert (exact == approximate).all(), (name, key)
    metadata["f32_error"] = f"{max(errors.values(), default=0):.1e}"
    tensors = {key: stored(value) for key, value in {**inputs, **outputs}.items()}
    write_safetensors(os.path.join(OUT, name + ".safetensors"), tensors, metadata)
    print(f"\n{name}  " + ", ".join(f"{k}={v}" for k, v in sorted(metadata.items()) if "." not in k and k not in ("case", "source")))
    print("   " + ", ".join(f"{k}{list(v.shape)}" + ("" if v.dtype == np.float32 else f":{TYPES[str(v.dtype)]}") for k, v in
            tensors.items()))


def draw(seed):
    """A source of float32-representable standard normals, float64 NumPy arrays."""
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float32).double().numpy()


def leaf(array, dtype, nhwc=False):
    tensor = torch.from_numpy(np.asarray(array)).to(dtype)
    return (tensor.permute(0, 3, 1, 2).contiguous() if nhwc else tensor).requires_grad_()


def out(tensor, nhwc=False):
    return (tensor.permute(0, 2, 3, 1) if nhwc else tensor).detach().contiguous().numpy().copy()


def layer_case(name, seed, x_shape, parameters, forward, nhwc_out=True, x=None, **metadata):
    """One layer `y = forward(x, parameters)` with its gradients for a random `dy`."""
    random = draw(seed)
    inputs = {"x": random(*x_shape) if x is None else x}
    inputs.update({key: scale * random(*shape) + shift for key, (shape, scale, shift) in parameters.items()})
    inputs = {key: np.float32(value).astype(np.float64) for key, value in inputs.items()}
    nhwc = len(x_shape) == 4

    def trial(dtype, values):
        x = leaf(values["x"], dtype, nhwc)
        p = {key: leaf(values[key], dtype) for key in parameters}
        return x, p, forward(x, p)

    inputs["dy"] = random(*out(trial(torch.float64, inputs)[2], nhwc_out and nhwc).shape)

    def run(values, dtype):
        x, p, y = trial(dtype, values)
        y.backward(leaf(values["dy"], dtype, nhwc_out and nhwc).detach())
        return {"y": out(y, nhwc_out and nhwc), "dx": out(x.grad, nhwc),
                **{"d" + key: out(value.grad) for key, value in p.items()}}

    save(name, run, inputs, **metadata)


# --- layers ----------------------------------------------------------------------------------

def convolutions():
    # name, N, H, W, c_in, c_out, kernel, stride, padding, bias
    cases = [("conv3x3_s1", 2, 7, 5, 3, 16, 3, 1, 1, False), ("conv3x3_s1_bias", 3, 6, 6, 3, 16, 3, 1, 1, True),
             ("conv3x3_s1_16to16", 2, 5, 9, 16, 16, 3, 1, 1, False),
             ("conv3x3_s2", 2, 7, 5, 16, 32, 3, 2, 1, False), ("conv3x3_s2_even", 2, 8, 6, 16, 32, 3, 2, 1, True),
             ("conv1x1_s2", 2, 7, 5, 16, 32, 1, 2, 0, False), ("conv1x1_s2_bias", 2, 6, 8, 16, 32, 1, 2, 0, True),
             ("conv7x7_s2", 2, 11, 9, 3, 16, 7, 2, 3, False), ("conv7x7_s2_bias", 2, 14, 12, 3, 16, 7, 2, 3, True),
             ("conv3x3_s1_1x1image", 4, 1, 1, 16, 16, 3, 1, 1, False)]
    for seed, (name, n, h, w, c_in, c_out, k, stride, padding, bias) in enumerate(cases):
        parameters = {"weight": ((c_out, c_in, k, k), (2 / (k * k * c_out)) ** 0.5, 0)}
        if bias:
            parameters["bias"] = ((c_out,), 0.5, 0)
        layer_case(name, 100 + seed, (n, h, w, c_in), parameters,
                   lambda x, p: F.conv2d(x, p["weight"], p.get("bias"), stride, padding),
                   stride=stride, padding=padding, bias=str(bias).lower())


def integer_convolutions():
    """Levels 0…15 times integer weights: y exact in I32. `weight_limit` 1 without zero is binary."""
    random = np.random.RandomState(150)
    for name, limit, stride, zero in [("conv_integer_binary", 1, 1, False), ("conv_integer_ternary", 1, 2, True),
            ("conv_integer_4bit", 7, 1, True)]:
        x = random.randint(0, 16, (2, 7, 5, 16)).astype(np.uint8)
        weight = random.randint(-limit, limit + 1, (16, 16, 3, 3)) if zero else random.choice([-1, 1], (16, 16, 3, 3))

        def run(values, dtype):
            y = F.conv2d(torch.from_numpy(x).to(dtype).permute(0, 3, 1, 2), torch.from_numpy(weight).to(dtype), None, stride, 1)
            return {"y": out(y, True).astype(np.int32)}

        save(name, run, {"x": x, "weight": weight.astype(np.int8)}, stride=stride, padding=1, weight_limit=limit)


def batch_norms():
    def case(name, seed, shape, training, shift=0.0, scale=1.0):
        random, c = draw(seed), shape[3]
        values = {"x": scale * random(*shape) + shift, "gamma": 0.3 * random(c) + 1, "beta": 0.5 * random(c),
                  "running_mean": random(c), "running_var": random(c) ** 2 + 0.5, "dy": random(*shape)}
        values = {key: np.float32(value).astype(np.float64) for key, value in values.items()}

        def run(values, dtype):
            x, gamma, beta = leaf(values["x"], dtype, True), leaf(values["gamma"], dtype), leaf(values["beta"], dtype)
            mean, var = leaf(values["running_mean"], dtype).detach().clone(), leaf(values["running_var"], dtype).detach().clone()
            y = F.batch_norm(x, mean, var, gamma, beta, training, 0.1, 1e-5)
            y.backward(leaf(values["dy"], dtype, True).detach())
            result = {"y": out(y, True), "dx": out(x.grad, True), "dgamma": out(gamma.grad), "dbeta": out(beta.grad)}
            if training:
                result.update(running_mean_after=out(mean), running_var_after=out(var))
            return result

        save(name, run, values, mode="train" if training else "eval", momentum=0.1, epsilon=1e-5,
                variance="running variance unbiased (n-1), normalisation biased (n)")

    case("batchnorm_train", 200, (3, 7, 5, 6), True)
    case("batchnorm_train_16", 201, (4, 4, 4, 16), True)
    case("batchnorm_train_offset", 202, (2, 5, 5, 4), True, shift=50.0, scale=0.5)   # E[x²] − E[x]² loses it
    case("batchnorm_eval", 203, (3, 7, 5, 6), False)


ALPHA_DERIVATIVES = ("three-valued", "almost-everywhere", "two-valued", "minimum")
X_DERIVATIVES = ("clipped-relu", "relu", "identity")


class QuantizedReLU(torch.autograd.Function):
    """METHOD.md part 1: σ(x, α) with its coarse derivatives in x and α."""

    @staticmethod
    def forward(ctx, x, alpha, bits, x_derivative, alpha_derivative):
        ctx.save_for_backward(x, alpha)
        ctx.settings = (bits, x_derivative, alpha_derivative)
        return alpha * torch.clamp(torch.ceil(x / alpha), 0, 2 ** bits - 1)

    @staticmethod
    def backward(ctx, dy):
        x, alpha = ctx.saved_tensors
        bits, x_derivative, alpha_derivative = ctx.settings
        top = 2 ** bits - 1
        ratio = x / alpha
        positive, above = ratio > 0, ratio > top
        within = (positive & ~above).to(x.dtype)
        dx = {"clipped-relu": within, "relu": positive.to(x.dtype), "identity": torch.ones_like(x)}[x_derivative]
        inside = {"three-valued": torch.full_like(x, 2 ** (bits - 1)), "almost-everywhere": torch.ceil(ratio),
                  "two-valued": torch.zeros_like(x), "minimum": torch.ones_like(x)}[alpha_derivative]
        dalpha = within * inside + top * above.to(x.dtype)
        return dy * dx, (dy * dalpha).sum().reshape(alpha.shape), None, None, None


def margin(x, alpha, bits):
    """Smallest distance of x/α to a boundary 0, 1, … 2^b − 1, relative to the boundary (absolute at 0)."""
    ratio = x.detach() / alpha.detach()
    nearest = ratio.round().clamp(0, 2 ** bits - 1)
    return ((ratio - nearest).abs() / nearest.clamp(min=1)).min().item()


def quantized_relus():
    def case(name, bits, x, alpha, dy, **metadata):
        values = {"x": x, "alpha": np.array([alpha]), "dy": dy}

        def run(values, dtype):
            result = {}
            for i, a in enumerate(ALPHA_DERIVATIVES):
                for j, d in enumerate(X_DERIVATIVES):
                    x, alpha = leaf(values["x"], dtype), leaf(values["alpha"], dtype)
                    y = QuantizedReLU.apply(x, alpha, bits, d, a)
                    y.backward(leaf(values["dy"], dtype).detach())
                    levels = (y / alpha).round()
                    new = {"y": out(y), "levels": out(levels).astype(np.uint8), "dx." + d: out(x.grad), "dalpha." + a: out(alpha.grad)}
                    for key, value in new.items():     # the two derivatives do not touch each other
                        assert key not in result or (result[key] == value).all()
                    result.update(new)
            return result

        save(name, run, values, bits=bits, **metadata)

    for bits in (1, 2, 4):
        top, alpha = 2 ** bits - 1, float(np.float32(0.37))
        for seed in range(300 + 1000 * bits, 10 ** 6):
            random = draw(seed)
            x = 0.8 * alpha * top * random(2, 5, 5, 4)
            x = np.float32(x).astype(np.float64)
            if margin(torch.from_numpy(x), torch.tensor([alpha]), bits) > MARGIN:
                break
        dy = random(2, 5, 5, 4)
        check_almost_everywhere(x, alpha, bits)
        case(f"qrelu_{bits}bit", bits, x, alpha, dy, margin=f"{margin(torch.from_numpy(x), torch.tensor([alpha]), bits):.1e}")
        # α = ½: x/α is exact in any precision, so the steps themselves can be tested.
        steps = 0.5 * np.arange(-2, top + 3, dtype=np.float32)
        x = np.concatenate([steps, np.nextafter(steps, np.float32(9e9)), np.nextafter(steps, np.float32(-9e9)),
                np.float32([-0.0, 1e-30, 1e30, -1e30])])
        x = np.concatenate([x, np.zeros(-len(x) % 4, np.float32)]).reshape(1, 1, -1, 4).astype(np.float64)
        # Powers of two: every sum of dy × small integers is exact in float32 too, in any order.
        dy = 2.0 ** np.random.RandomState(bits).randint(-3, 3, x.shape)
        case(f"qrelu_{bits}bit_steps", bits, x, 0.5, dy, margin="exact: x on, just above and just below every step")


def check_almost_everywhere(x, alpha, bits):
    """The definition by cases, and dα `almost-everywhere` against a finite difference."""
    t, top, h = torch.from_numpy(x), 2 ** bits - 1, 1e-9
    sigma = lambda a: QuantizedReLU.apply(t, torch.tensor([a], dtype=torch.float64), bits, "relu", "minimum")
    literal = np.zeros_like(x)
    for k in range(1, top + 1):
        literal[((k - 1) * alpha < x) & (x <= k * alpha)] = k * alpha
    literal[x > top * alpha] = top * alpha
    assert np.abs(sigma(alpha).numpy() - literal).max() < 1e-12
    a = torch.tensor([alpha], dtype=torch.float64, requires_grad=True)
    QuantizedReLU.apply(t, a, bits, "relu", "almost-everywhere").sum().backward()
    difference = (sigma(alpha + h) - sigma(alpha - h)).sum().item() / (2 * h)
    assert abs(difference - a.grad.item()) < 1e-3, (difference, a.grad)


def pools_and_friends():
    for name, seed, shape in [("maxpool2x2_28", 400, (1, 28, 28, 2)), ("maxpool2x2_14", 401, (2, 14, 14, 3)),
            ("maxpool2x2_7", 402, (2, 7, 7, 16))]:
        layer_case(name, seed, shape, {}, lambda x, p: F.max_pool2d(x, 2, 2), kernel=2, stride=2, padding=0)
    # Few distinct values: ties everywhere; the gradient goes to the first maximum in scan order (row, then column).
    ties = lambda seed, *shape: np.floor(1.5 * draw(seed)(*shape)) - 1
    first_maximum_wins()
    layer_case("maxpool2x2_ties", 403, (2, 7, 5, 4), {}, lambda x, p: F.max_pool2d(x, 2, 2), x=ties(403, 2, 7, 5, 4), kernel=2, stride=2,
            padding=0)
    layer_case("maxpool3x3_ties", 404, (2, 9, 7, 4), {}, lambda x, p: F.max_pool2d(x, 3, 2, 1), x=ties(404, 2, 9, 7, 4), kernel=3,
            stride=2, padding=1)
    layer_case("maxpool3x3", 405, (2, 8, 6, 16), {}, lambda x, p: F.max_pool2d(x, 3, 2, 1), kernel=3, stride=2, padding=1)
    layer_case("maxpool3x3_negative", 406, (1, 5, 5, 4), {}, lambda x, p: F.max_pool2d(x, 3, 2, 1),
               x=-np.abs(draw(406)(1, 5, 5, 4)) - 1, kernel=3, stride=2, padding=1)      # padding is −∞, not 0
    layer_case("global_average_pool", 410, (3, 7, 5, 8), {}, lambda x, p: x.mean((2, 3)), nhwc_out=False)
    layer_case("linear", 411, (4, 24), {"weight": ((10, 24), 0.2, 0), "bias": ((10,), 0.2, 0)},
            lambda x, p: F.linear(x, p["weight"], p["bias"]))
    for name, seed, shape, c_out in [("shortcut_odd", 412, (2, 7, 5, 4), 8), ("shortcut_even", 413, (2, 8, 6, 16), 32)]:
        pad = (c_out - shape[3]) // 2
        layer_case(name, seed, shape, {}, lambda x, p: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, pad, pad)), stride=2, channels_before=pad,
                channels_after=pad)


def first_maximum_wins():
    x = torch.ones(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    F.max_pool2d(x, 2, 2).backward(torch.ones(1, 1, 1, 1, dtype=torch.float64))
    assert x.grad.flatten().tolist() == [1, 0, 0, 0]


def cross_entropies():
    def case(name, logits, labels):
        def run(values, dtype):
            x = leaf(values["logits"], dtype)
            loss = F.cross_entropy(x, torch.from_numpy(values["labels"]))
            loss.backward()
            return {"loss": out(loss.reshape(1)), "dlogits": out(x.grad)}

        save(name, run, {"logits": logits, "labels": labels}, reduction="mean over the batch")

    case("cross_entropy", 2 * draw(500)(4, 10), np.array([3, 0, 9, 3]))
    case("cross_entropy_large", np.array([[1000.0, 0, -1000, 999], [-1e4, -1e4, -1e4, -1e4], [3e4, 2, 1, 0], [88.5, 89.5, 90.5, -90],
            [0, 0, 0, 500]]),
         np.array([2, 1, 0, 3, 0]))


# --- a whole quantized network ---------------------------------------------------------------

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


class Step(Exception):
    """The run came closer than MARGIN to a step of a quantizer, or is too tame: try another seed."""


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


def find_seed(first, attempt):
    for seed in range(first, first + 100000):
        try:
            return seed, attempt(draw(seed), np.random.RandomState(seed))
        except Step:
            continue
    raise SystemExit("no seed keeps its distance from the steps")


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


# --- BCGD ------------------------------------------------------------------------------------

def train(state, xs, labels, recipe, dtype, strict):
    """METHOD.md part 1, BCGD, with torch.optim.SGD as the gradient step."""
    run = Run(state, dtype)
    weights = {key: torch.nn.Parameter(run.value[key].clone()) for key in TRAINED}
    alphas = {key: torch.nn.Parameter(run.value[key].clone()) for key in ALPHAS}
    lr, decay = recipe["learning_rate"], recipe["weight_decay"]
    optimiser = torch.optim.SGD(
        [dict(params=list(weights.values()), lr=lr, weight_decay=decay),
         dict(params=list(alphas.values()), lr=lr * recipe["alpha_rate_factor"], weight_decay=0.0)], lr=lr, momentum=recipe["momentum"])
    losses, scales, flips = [], [], 0
    for x, label in zip(xs, labels):
        run.value.update({key: p.detach() for key, p in (weights | alphas).items()})
        scales.append(np.concatenate([out(alphas[key]) for key in ALPHAS]))
        _, _, loss = run.gradients(x, label, strict)
        losses.append(out(loss.reshape(1)))
        with torch.no_grad():
            for key in QUANTIZED:                                            # blend …
                weights[key].copy_((1 - recipe["blend"]) * weights[key] + recipe["blend"] * run.seen[key])
        before = {key: weights[key] >= 0 for key in QUANTIZED}
        for key, p in (weights | alphas).items():                            # … then correct
            p.grad = run.seen[key].grad
        optimiser.step()
        flips += sum((before[key] != (weights[key] >= 0)).sum().item() for key in QUANTIZED)
        if min(a.item() for a in alphas.values()) <= 0:
            raise Step
    run.value.update({key: p.detach() for key, p in (weights | alphas).items()})
    run.quantize(strict)
    scales.append(np.concatenate([out(alphas[key]) for key in ALPHAS]))
    result = {"loss": np.concatenate(losses), "alphas": np.stack(scales)}
    result.update({"final." + key: out(run.value[key]) for key in TRAINED + ALPHAS + STATISTICS})
    result.update({"final.quantized." + key: out(run.seen[key]) for key in QUANTIZED})
    return result, flips, run


def trajectory(name, first_seed, steps=5, **recipe):
    def attempt(random, integers):
        state = initial(random)
        xs, labels = random(steps, 3, 5, 5, 3), integers.randint(0, CLASSES, (steps, 3))
        state.update(scaled(fitted(state, xs[0])))
        _, flips, run = train(state, xs, labels, recipe, torch.float64, strict=True)
        if flips < 5:       # a run whose binary weights stand still would test less
            raise Step
        return state, xs, labels, flips, run.margin

    seed, (state, xs, labels, flips, smallest) = find_seed(first_seed, attempt)
    save(name, lambda values, dtype: train(state, xs, labels, recipe, dtype, strict=False)[0], {"x": xs, "labels": labels, **state},
         seed=seed, margin=f"{smallest:.1e}", sign_flips=flips, steps=steps, alpha_order=" ".join(ALPHAS), **recipe, **NETWORK,
         order="quantize; gradient at (w_q, alpha); w_f = (1-blend) w_f + blend w_q; "
         "buf = momentum buf + g + weight_decay w_f; w_f -= learning_rate buf",
         weight_decay_on="all weights, batch-norm gamma and beta, linear.bias; not alpha",
         alpha_step="buf = momentum buf + g; alpha -= learning_rate alpha_rate_factor buf", decays_blended_weights="true")


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    convolutions()
    integer_convolutions()
    batch_norms()
    quantized_relus()
    pools_and_friends()
    cross_entropies()
    network_gradients()
    trajectory("bcgd_paper", 700, blend=1e-2, learning_rate=0.05, momentum=0.95, weight_decay=1e-4, alpha_rate_factor=0.01)
    # The same with every constant large enough that no mistake in it hides below the tolerance.
    trajectory("bcgd_strong", 700000, blend=0.1, learning_rate=0.05, momentum=0.9, weight_decay=0.05, alpha_rate_factor=0.2)
    total = sum(os.path.getsize(os.path.join(OUT, name)) for name in os.listdir(OUT))
    print(f"\n{total} bytes in {OUT}")
    assert total < 1_000_000
