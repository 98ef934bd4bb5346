# SPDX-License-Identifier: GPL-3.0-or-later
"""The quantized ReLU with its coarse derivatives (METHOD.md part 1), on random numbers and on the steps themselves."""
import numpy as np
import torch

from vector_files import MARGIN, draw, leaf, out, save

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
