#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes Vectors/pillow.json: what Pillow and torchvision make of small images.

    python3 pillow_vectors.py        # Pillow and torchvision; the file says which versions

`resize`: images of a hash (`byte` below), cropped and resized by `Image.resize(…, BILINEAR)`.
`test`: the same by torchvision's Resize and CenterCrop.
`jpeg`: JPEG files with the RGB that Pillow decodes them to.
All byte arrays are base64.
"""
import base64
import io
import json
import os

import PIL
import torchvision
from PIL import Image, features
from torchvision.transforms import v2 as transforms


def byte(index, seed):
    """A byte of the finaliser of MurmurHash3; the tests compute the same."""
    h = (index + seed * 0x9E3779B9) & 0xFFFFFFFF
    h = ((h ^ h >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    h = ((h ^ h >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return (h ^ h >> 16) & 0xFF


def image(height, width, seed):
    return Image.frombytes("RGB", (width, height), bytes(byte(i, seed) for i in range(3 * height * width)))


def smooth(height, width):
    """Something that JPEG compresses well: ramps and a disc."""
    out = bytearray()
    for y in range(height):
        for x in range(width):
            disc = 60 if (x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 3) ** 2 else 0
            out += bytes([min(255, x * 255 // width), min(255, y * 255 // height), min(255, 80 + disc + (x * y) % 17)])
    return Image.frombytes("RGB", (width, height), bytes(out))


def text(data):
    return base64.b64encode(data).decode()


def resize_cases():
    sizes = [  # height, width, window (row, column, height, width), to (height, width)
        (37, 53, (0, 0, 37, 53), (16, 16)), (37, 53, (3, 5, 30, 41), (24, 24)), (5, 7, (0, 0, 5, 7), (11, 13)),
        (40, 30, (0, 0, 40, 30), (40, 12)), (30, 40, (0, 0, 30, 40), (12, 40)), (90, 120, (10, 20, 77, 93), (8, 8)),
        (16, 16, (0, 0, 16, 16), (16, 16)), (1, 9, (0, 0, 1, 9), (4, 4)), (33, 47, (32, 46, 1, 1), (6, 6)),
    ]
    for seed, (height, width, window, to) in enumerate(sizes):
        row, column, h, w = window
        cut = image(height, width, seed).crop((column, row, column + w, row + h))
        yield {"height": height, "width": width, "seed": seed, "window": window, "to": to,
               "rgb": text(cut.resize((to[1], to[0]), Image.BILINEAR).tobytes())}


def test_cases():
    for seed, (height, width, resize, crop) in enumerate([(30, 41, 20, 16), (50, 31, 23, 17), (24, 24, 36, 24), (29, 33, None, 24),
            (20, 33, None, 24)]):
        steps = ([transforms.Resize(resize)] if resize else []) + [transforms.CenterCrop(crop)]
        yield {"height": height, "width": width, "seed": seed, "resize": resize, "crop": crop,
               "rgb": text(transforms.Compose(steps)(image(height, width, seed)).tobytes())}


def jpeg_cases():
    rgb = smooth(41, 58)
    inks = (*rgb.convert("CMYK").split()[:3], rgb.transpose(Image.Transpose.ROTATE_180).convert("L"))  # convert leaves black out
    for name, picture, options in [
        ("4:2:0", rgb, {"subsampling": 2}), ("4:4:4", rgb, {"subsampling": 0}), 
            ("4:2:2 progressive", rgb, {"subsampling": 1, "progressive": True}),
        ("grey", rgb.convert("L"), {}), ("CMYK", Image.merge("CMYK", inks), {}),
    ]:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=85, **options)
        decoded = Image.open(io.BytesIO(file.getvalue())).convert("RGB")
        yield {"name": name, "height": 41, "width": 58, "file": text(file.getvalue()), "rgb": text(decoded.tobytes())}


def main():
    made = {"pillow": PIL.__version__, "torchvision": torchvision.__version__.split("+")[0],
            "libjpeg_turbo": features.version_feature("libjpeg_turbo"),
            "resize": list(resize_cases()), "test": list(test_cases()), "jpeg": list(jpeg_cases())}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Vectors", "pillow.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(made, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
