# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers with the gradients of their inputs and parameters."""
import numpy as np
import torch
import torch.nn.functional as F

from vector_files import draw, leaf, out, save


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
