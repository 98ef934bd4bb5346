#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares an imported model with the Brevitas network that train.py left in OUT, on Fashion-MNIST's test images
(needs the package bcgd)."""
import argparse
import gzip
import os
import sys

import bcgd
import numpy as np

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("out")
parser.add_argument("model")
parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
options = parser.parse_args()
with gzip.open(f"{options.data}/t10k-images-idx3-ubyte.gz") as file:
    images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
expected = np.fromfile(os.path.join(options.out, "scores.f32"), np.float32).reshape(-1, 10)
images = images[:len(expected)]
scores = bcgd.load(options.model)(images)
differing = int((scores.argmax(1) != expected.argmax(1)).sum())
print(f"{differing} of {len(images)} predicted classes differ; scores by {np.abs(scores - expected).max():.3g} at most")
sys.exit(int(differing > 0))
