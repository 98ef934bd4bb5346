# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights onto {scale · integers}, as Sources/Quantization defines each of them: scales and steps in f32, sums in f64."""
import numpy as np

from .error import Error


def project(weights, quantization, step_sizes=None):
    """Scales, f32 [slices], and integer weights, int8 of the weights' shape.

    quantization: as a checkpoint's graph states it.
    step_sizes: f32 [slices], of quantizers that learn them (LSQ).
    """
    slices = len(weights) if quantization["per_channel"] else 1
    rows = np.ascontiguousarray(weights, np.float32).reshape(slices, -1)
    rule = _rule(quantization)
    pairs = [rule(row, None if step_sizes is None else np.float32(step_sizes[i])) for i, row in enumerate(rows)]
    scales = np.array([scale for scale, _ in pairs], np.float32)
    return scales, np.stack([integers for _, integers in pairs]).astype(np.int8).reshape(weights.shape)


def _rule(quantization):
    name = quantization.get("quantizer")
    if name is None:
        bits = quantization["bits"]
        if bits == 1:
            return lambda w, _: _binary(w)
        if bits == 2:
            return lambda w, _: (_authors_ternary if quantization["ternary"] == "authors" else _ternary)(w)
        return lambda w, _: _lloyd(w, bits, quantization["lloyd_iterations"])
    kind, bits = name.rsplit("-", 1)
    if kind == "lsq":
        return lambda w, step: _lsq(w, int(bits), step)
    if kind == "dorefa":
        return lambda w, _: _dorefa(w, int(bits))
    raise Error(f"the weights' quantizer {name} is none of this suite's")


def _magnitudes(w):
    return np.abs(w).astype(np.float64)


def _binary(w):
    return np.float32(_magnitudes(w).mean()), np.where(w >= 0, 1, -1)


def _ternary(w):
    """The k largest magnitudes for the smallest k that maximises (their sum)²/k; equal ones are kept or dropped together."""
    magnitudes = _magnitudes(w)
    falling = np.sort(magnitudes)[::-1]
    sums = np.cumsum(falling)
    if sums[-1] == 0:
        return np.float32(0), np.zeros_like(w)
    best = int(np.argmax(sums * sums / np.arange(1, len(w) + 1)))
    return np.float32(sums[best] / (best + 1)), np.where(magnitudes >= falling[best], np.sign(w), 0)


def _authors_ternary(w):
    magnitudes = _magnitudes(w)
    threshold = np.float32(0.7) * np.float32(magnitudes.mean())
    kept = (np.abs(w) >= threshold) & (w != 0)
    return np.float32(magnitudes[kept].sum() / len(w)), np.where(kept, np.sign(w), 0)


def _lloyd(w, bits, iterations):
    top = np.float32(2 ** (bits - 1) - 1)
    scale = np.float32(np.abs(w).max() / np.float32((2 ** bits - 1) / 2))
    integers = np.zeros_like(w)
    if not scale > 0:
        return np.float32(0), integers
    for _ in range(iterations):
        integers = np.clip(np.rint(w / scale), -top, top)
        exact = integers.astype(np.float64)
        fitted = np.float32((w.astype(np.float64) * exact).sum() / (exact * exact).sum())
        if fitted == scale:
            break
        scale = fitted
    return scale, integers


def _lsq(w, bits, step):
    return step, np.clip(np.rint(w / step), -min(2 ** (bits - 1), 127), 2 ** (bits - 1) - 1)


def _dorefa(w, bits):
    top, t = 2 ** bits - 1, np.tanh(w.astype(np.float64))
    if not t.any() or not np.isfinite(w).all():  # as in the suite
        return np.float32(np.nan), np.zeros_like(w)
    return np.float32(1) / np.float32(top), 2 * np.rint((t / (2 * np.abs(t).max()) + 0.5) * top) - top
