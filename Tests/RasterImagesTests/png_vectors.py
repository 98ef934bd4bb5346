#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes Vectors/png.json: PNG files of every kind, with the pixels that Pillow gives for them.

    python3 png_vectors.py        # Pillow and NumPy; the file says which Pillow

`rgb` is `convert("RGB")`, `grey` is `convert("L")`, but for 16-bit grey: Pillow cuts that off at 255, so its values' upper bytes
stand here, as Pillow itself takes them of 16-bit colours. The files are put together here, as Pillow does not write all kinds.
"""
import base64
import io
import json
import os
import random
import struct
import zlib

import numpy
import PIL
from PIL import Image

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
NAMES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey+alpha", 6: "RGBA"}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]  # x, y, steps
HEIGHT, WIDTH = 5, 7


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(rng, depth, kind, interlaced=False, before=b"", after=b"", palette=b""):
    top = len(palette) // 3 - 1 if palette else (1 << depth) - 1
    pixels = [[[rng.randint(0, top) for _ in range(CHANNELS[kind])] for _ in range(WIDTH)] for _ in range(HEIGHT)]
    raw = b""
    for x0, y0, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        for y in range(y0, HEIGHT, dy):
            bits = "".join(format(value, f"0{depth}b") for x in range(x0, WIDTH, dx) for value in pixels[y][x])
            if bits:
                bits += "0" * (-len(bits) % 8)
                raw += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, kind, 0, 0, interlaced))
    colors = chunk(b"PLTE", palette) if palette else b""
    return b"\x89PNG\r\n\x1a\n" + header + before + colors + after + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def variants(kind):
    """Names and the chunks before and after the palette; none changes what Pillow gives."""
    background = {0: b"\0\1", 2: b"\0\1\0\2\0\3", 3: b"\0", 4: b"\0\1", 6: b"\0\1\0\2\0\3"}[kind]
    white = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    yield "plain", b"", b""
    yield "gAMA sBIT bKGD", chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(
        b"sBIT", bytes([1] * {2: 3, 3: 3}.get(kind, CHANNELS[kind]))), chunk(b"bKGD", background)
    yield "gAMA cHRM", chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"cHRM", white), b""
    yield "sRGB", chunk(b"sRGB", b"\0"), b""
    yield "iCCP", chunk(b"iCCP", b"none\0\0" + zlib.compress(b"no profile" * 13)), b""
    if kind in (0, 2, 3):
        yield "tRNS", b"", chunk(b"tRNS", {0: b"\0\1", 2: b"\0\1\0\2\0\3", 3: b"\0\x80"}[kind])


def text(data):
    return base64.b64encode(data).decode()


def cases():
    rng = random.Random(1)
    for kind, depths in DEPTHS.items():
        for depth in depths:
            for interlaced in (False, True):
                for name, before, after in variants(kind):
                    if name != "plain" and (interlaced or depth not in (1, 8, 16)):
                        continue
                    palette = bytes(rng.randrange(256) for _ in range(3 * min(1 << depth, 11))) if kind == 3 else b""
                    file = png(rng, depth, kind, interlaced, before, after, palette)
                    image = Image.open(io.BytesIO(file))
                    if image.mode == "I;16":
                        grey = (numpy.asarray(image) >> 8).astype(numpy.uint8)
                        rgb = numpy.repeat(grey[..., None], 3, 2)
                    else:
                        rgb, grey = numpy.asarray(image.convert("RGB")), numpy.asarray(image.convert("L"))
                    yield {"name": f"{NAMES[kind]} {depth} bits {name}{' interlaced' if interlaced else ''}", "file": text(file),
                           "rgb": text(rgb.tobytes()), "grey": text(grey.tobytes())}


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Vectors", "png.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"pillow": PIL.__version__, "height": HEIGHT, "width": WIDTH, "png": list(cases())}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
