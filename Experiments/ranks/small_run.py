# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of ranks train: small images of four classes in ImageNet's folders, noise around a colour, and recipes of a few steps.

    python3 Experiments/ranks/small_run.py DIR     # writes DIR/images and DIR/experiments, a copy with another protocol smoke

164 training images in batches of 64: the last one has 36, which are 16, 16, 4 and 0 of four shards.
"""
import random
import shutil
import struct
import sys
import zlib
from pathlib import Path

SIDE = 40
COLOURS = {"n01440764": (200, 80, 80), "n01443537": (80, 200, 80), "n01484850": (80, 80, 200), "n01491361": (160, 160, 60)}
SCHEDULE = "{phase}: {{ epochs: {epochs}, milestones: [], image_size: 32, batch_size: 64 }}\n"


def write_png(path, colour):
    rows = b"".join(b"\0" + bytes(min(255, max(0, c + random.randrange(-60, 60))) for _ in range(SIDE) for c in colour)
            for _ in range(SIDE))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


folder = Path(sys.argv[1])
random.seed(1)
for number, (name, colour) in enumerate(COLOURS.items()):
    for i in range(41):
        write_png(folder / "images/train" / name / f"{name}_{i}.JPEG", colour)
    for i in range(8):
        write_png(folder / "images/val" / name / f"{number}_{i}.JPEG", colour)
shutil.copytree(Path(__file__).resolve().parents[1], folder / "experiments")
schedules = SCHEDULE.format(phase="float", epochs=1) + SCHEDULE.format(phase="quantized", epochs=8)
(folder / "experiments/imagenet/protocols/smoke.yaml").write_text(schedules)
