# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints ComparisonVectors.swift: LSQ, PACT and DoReFa as their papers write them, differentiated by PyTorch's autograd in f64.

Regenerate with: python3 pytorch_comparison.py > ComparisonVectors.swift
LSQ is its paper's own pseudocode (arXiv:1902.08153, appendix A): detached differences make the coarse gradients. Floats
are exact (hexadecimal).
"""
import re

import torch

torch.manual_seed(20)
COUNT = 60  # numbers of a map of one image, or weights


def exact(value):
    return re.sub(r"\.?0*p", "p", float(value).hex())


def floats(values):
    return "[" + ", ".join(exact(v) for v in values.flatten()) + "]"


def single(values):
    """Numbers of f32, in f64."""
    return values.float().double()


def gradscale(x, scale):
    return (x - x * scale).detach() + x * scale


def roundpass(x):
    return (x.round() - x).detach() + x


def lsq(v, s, bits, signed):
    qn, qp = (2 ** (bits - 1), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    s = gradscale(s, 1 / (v.numel() * qp) ** 0.5)
    v = (v / s).clamp(-qn, qp)
    return roundpass(v) * s


def pact(x, a, bits):
    scale = (2**bits - 1) / a
    y = 0.5 * (x.abs() - (x - a).abs() + a)
    return (torch.round(y * scale.detach()) / scale.detach() - y).detach() + y


def quantize(x, bits):
    top = 2**bits - 1
    return roundpass(x * top) / top


def dorefa(x, bits):
    return quantize(x.clamp(0, 1), bits)


def dorefa_weights(w, bits):
    t = w.tanh()
    return 2 * quantize(t / (2 * t.abs().max()) + 0.5, bits) - 1


def vector(name, bits, function, x, parameter=None):
    """One case: y = function(x, parameter), and the gradients of <g, y>."""
    g = single(torch.randn(COUNT))
    x = x.clone().requires_grad_()
    p = None if parameter is None else parameter.clone().requires_grad_()
    y = function(x) if p is None else function(x, p)
    (g * y).sum().backward()
    fields = [f'name: "{name}", bits: {bits}, parameter: {exact(0 if p is None else p.detach())}', f"x: {floats(x.detach())}",
            f"g: {floats(g)}"]
    fields += [f"y: {floats(y.detach())}", f"dx: {floats(x.grad)}", f"dParameter: {exact(0 if p is None else p.grad)}"]
    return "        Case(\n            " + ",\n            ".join(fields) + "),"


def initial(v, qp):
    return single(2 * v.abs().mean() / qp**0.5)


cases = []
for bits in [2, 4]:
    x = single(torch.randn(COUNT))
    cases.append(vector("lsq", bits, lambda v, s: lsq(v, s, bits, False), x, initial(x.clamp(min=0), 2**bits - 1)))
    cases.append(vector("lsq-signed", bits, lambda v, s: lsq(v, s, bits, True), single(0.1 * x),
            initial(single(0.1 * x), 2 ** (bits - 1) - 1)))
    cases.append(vector("pact", bits, lambda v, a: pact(v, a, bits), x, single(torch.tensor(1.3))))
    cases.append(vector("dorefa", bits, lambda v: dorefa(v, bits), single(0.7 * x)))
    cases.append(vector("dorefa-weights", bits, lambda v: dorefa_weights(v, bits), single(0.3 * x)))

print(f"""// SPDX-License-Identifier: GPL-3.0-or-later
// Printed by pytorch_comparison.py with PyTorch {torch.__version__.split('+')[0]}; do not edit.
enum ComparisonVectors {{
    /// y of x and the parameter (step size, clip, or none), and the gradients of ⟨g, y⟩ in both, in f64.
    struct Case: Sendable {{
        let name: String
        let bits: Int
        let parameter: Double
        let x, g, y, dx: [Double]
        let dParameter: Double
    }}
    static let cases: [Case] = [""")
print("\n".join(cases))
print("    ]\n}")
