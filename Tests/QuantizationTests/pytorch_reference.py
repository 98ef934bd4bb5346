# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints PyTorchVectors.swift: the quantized ReLU, its coarse derivatives and the weight projections, by PyTorch.

Regenerate with: python3 pytorch_reference.py > PyTorchVectors.swift
Every float is printed exactly (hexadecimal). x-derivatives go through autograd, as a network's would.
"""
import re

import torch


def exact(value):
    return re.sub(r"\.?0*p", "p", float(value).hex())


def floats(values):
    return "[" + ", ".join(exact(v) for v in values) + "]"


class QuantizedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, alpha, bits, x_rule, alpha_rule):
        ctx.save_for_backward(x, alpha)
        ctx.bits, ctx.rules = bits, (x_rule, alpha_rule)
        return torch.clamp(torch.ceil(x / alpha), 0, 2**bits - 1) * alpha

    @staticmethod
    def backward(ctx, gradient):
        x, alpha = ctx.saved_tensors
        top, (x_rule, alpha_rule) = 2**ctx.bits - 1, ctx.rules
        t = x / alpha
        inside, above = (t > 0) & (t <= top), t > top
        passed = {"clipped-relu": inside, "relu": x > 0, "identity": torch.ones_like(inside)}[x_rule]
        middle = {
            "three-valued": torch.full_like(x, sum(range(1, top + 1)) / top),
            "almost-everywhere": torch.ceil(t),
            "two-valued": torch.zeros_like(x),
            "minimum": torch.ones_like(x),
        }[alpha_rule]
        slope = inside * middle + above * torch.full_like(x, top)
        return gradient * passed, (gradient * slope).reshape(-1, 1).sum(1).reshape(alpha.shape), None, None, None


def relu_case(bits, resolution):
    """Points on, just below and just above every boundary, between them, and outside."""
    alpha = torch.tensor(resolution)
    ties = torch.arange(-1, 2**bits + 2) * alpha
    up, down = torch.tensor(float("inf")), torch.tensor(-float("inf"))
    points = [ties, torch.nextafter(ties, up), torch.nextafter(ties, down), ties + 0.37 * alpha]
    x = torch.cat(points).unique()
    lines = [f"bits: {bits}, stepSize: {exact(alpha)}", "x: " + floats(x)]

    def run(x_rule, alpha_rule):
        a, v = alpha.expand(len(x)).clone().requires_grad_(), x.clone().requires_grad_()
        y = QuantizedReLU.apply(v, a, bits, x_rule, alpha_rule)
        y.sum().backward()
        return y.detach() + 0.0, v.grad, a.grad  # + 0.0 turns -0 into 0

    lines.append("output: " + floats(run("relu", "minimum")[0]))
    x_rules, alpha_rules = ["clipped-relu", "relu", "identity"], ["three-valued", "almost-everywhere", "two-valued", "minimum"]
    lines.append("inputDerivatives: [" + ", ".join(f'"{r}": {floats(run(r, "minimum")[1])}' for r in x_rules) + "]")
    lines.append("stepSizeDerivatives: [" + ", ".join(f'"{r}": {floats(run("relu", r)[2])}' for r in alpha_rules) + "]")
    return "        Relu(\n            " + ",\n            ".join(lines) + "),"


def binary(w):
    return w.abs().double().mean(), torch.where(w >= 0, 1, -1)


def ternary(w):
    magnitudes, _ = w.abs().double().sort(descending=True)
    sums, k = magnitudes.cumsum(0), torch.arange(1, len(w) + 1)
    best = torch.argmax(sums**2 / k)
    return sums[best] / k[best], w.sign() * (w.abs() >= magnitudes[best])


def one_lloyd_iteration_4_bits(w):
    half = w.abs().double().max() / 15
    codes = sum((w.abs().double() > odd * half).double() for odd in range(1, 14, 2)) * w.sign()
    return (w.double() * codes).sum() / (codes * codes).sum(), codes


def authors_ternary(w):
    keep = w.abs() >= 0.7 * w.abs().mean()
    return (w.abs() * keep).double().mean(), w.sign() * keep


def projection_case(name, function, w):
    scale, codes = function(w)
    return (
        f'        Projection(\n            kind: "{name}", w: {floats(w)},\n            '
        f"scale: {exact(scale.float())}, integerWeights: {[int(c) for c in codes]}),"
    )


generator = torch.Generator().manual_seed(20)
weights = [
    torch.randn(40, generator=generator),
    torch.tensor([0.5, -0.5, 0.25, 0.0, -1.0, 1.0, 0.125]),
    torch.tensor([3.0, -1.0, 1.0, 1.0]),
    torch.tensor([-0.75]),
]
kinds = {"binary": binary, "ternary": ternary, "lloyd-4-1": one_lloyd_iteration_4_bits, "authors-ternary": authors_ternary}
print("// SPDX-License-Identifier: GPL-3.0-or-later")
print(f"// Printed by pytorch_reference.py with PyTorch {torch.__version__.split('+')[0]}; do not edit.")
print("enum PyTorchVectors {")
print("    struct Relu {\n        let bits: Int\n        let stepSize: Float\n        let x, output: [Float]")
print("        let inputDerivatives, stepSizeDerivatives: [String: [Float]]\n    }")
print("    struct Projection {\n        let kind: String\n        let w: [Float]\n        let scale: Float\n"
      "        let integerWeights: [Int]\n    }")
print("    static let relu: [Relu] = [")
for bits, resolution in [(1, 0.75), (2, 0.25), (2, 0.1), (4, 0.1946)]:
    print(relu_case(bits, resolution))
print("    ]\n    static let projections: [Projection] = [")
for w in weights:
    for name, function in kinds.items():
        print(projection_case(name, function, w))
print("    ]\n}")
