#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns PyTorch weights (a .pth file with a state_dict, such as torchvision's) into safetensors of f32 tensors.

    python3 convert_torchvision.py resnet18-f37072fd.pth resnet18.safetensors

Also takes a training checkpoint whose `state_dict` holds the weights, and safetensors of other types. A prefix that all names
share, such as DataParallel's `module.` or a wrapper's `model.`, is taken off. PyTorch's counters `num_batches_tracked` are left out.
"""
import argparse
import json
import os
import struct
import sys

import torch


def weights_of(path):
    """The file's tensors by name, f32."""
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file  # only needed here
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except ImportError:
        sys.exit("convert_torchvision.py: to read safetensors, install the package of that name (pip install safetensors)")
    except OSError as error:
        sys.exit(f"convert_torchvision.py: cannot read {path}: {error.strerror}")
    except Exception:  # torch.load raises whatever its readers raise
        sys.exit(f"convert_torchvision.py: {path} is no file of tensors that torch.save or safetensors wrote, or it is damaged")
    content = content.get("state_dict", content) if isinstance(content, dict) else None
    if not content or not all(isinstance(value, torch.Tensor) for value in content.values()):
        sys.exit(f"convert_torchvision.py: {path} holds no state_dict (names and tensors)")
    prefix = os.path.commonprefix([name for name in content if not name.endswith("num_batches_tracked")])
    prefix = prefix[:prefix.rfind(".") + 1]
    return {name.removeprefix(prefix): value.detach().float().contiguous()
            for name, value in content.items() if not name.endswith("num_batches_tracked")}


def write(path, tensors):
    """Replaces `path` at once, so that no reader sees a part."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        end = offset + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.numpy().astype("<f4").tobytes())
    os.replace(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help=".pth file")
    parser.add_argument("out", help=".safetensors file")
    options = parser.parse_args()
    tensors = weights_of(options.weights)
    write(options.out, tensors)
    print(f"{options.out}: {len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} numbers")


if __name__ == "__main__":
    main()
