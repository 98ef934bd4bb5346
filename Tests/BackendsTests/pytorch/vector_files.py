# SPDX-License-Identifier: GPL-3.0-or-later
"""How a case of reference vectors is run and written: imported first, it takes the folder from the command line.

Every case runs in float64 on inputs that float32 holds exactly, and once more in float32; the
float64 results are stored as F32.  `f32_error.NAME` in a file's metadata is the float32 run's
max |difference| / max |reference| of that tensor, `f32_error` their maximum: what a float32
implementation may be expected to miss by (an order of summation away, so allow a small multiple).
Activations are stored NHWC, convolution weights OIHW, linear weights (out, in).
Quantized values agree only while no number sits on a step: `margin` in the metadata is the smallest
relative distance of any x/alpha to a ceil boundary in the recorded run; seeds are searched for 1e-4.
"""
import os
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "python"))
from bcgd.checkpoint import decode, encode  # noqa: E402, F401

torch.set_num_threads(1)
MARGIN = 1e-4
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "Vectors")


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
    with open(os.path.join(OUT, name + ".safetensors"), "wb") as file:
        file.write(encode(tensors, metadata))
    print(f"\n{name}  " + ", ".join(f"{k}={v}" for k, v in sorted(metadata.items()) if "." not in k and k not in ("case", "source")))
    print("   " + ", ".join(f"{k}{list(v.shape)}" + ("" if v.dtype == np.float32 else f":{v.dtype}") for k, v in
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


class Step(Exception):
    """The run came closer than MARGIN to a step of a quantizer, or is too tame: try another seed."""


def find_seed(first, attempt):
    for seed in range(first, first + 100000):
        try:
            return seed, attempt(draw(seed), np.random.RandomState(seed))
        except Step:
            continue
    raise SystemExit("no seed keeps its distance from the steps")
