#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the reference vectors of PyTorch; vector_files.py says how. Needs PyTorch and NumPy.

    python3 make_vectors.py [OUT_FOLDER] [resnet18-imagenet1k.safetensors]

The folder is ../Vectors by default; with torchvision's published weights their scores are written too.
"""
import os
import sys

import torch.nn as nn

from vector_files import OUT
from imagenet import Quantizer, pretrained, projection_block, whole_network
from layers import batch_norms, convolutions, cross_entropies, integer_convolutions, pools_and_friends
from network import network_gradients
from quantized_relu import quantized_relus
from trajectory import trajectory

os.makedirs(OUT, exist_ok=True)
convolutions()
integer_convolutions()
batch_norms()
quantized_relus()
pools_and_friends()
cross_entropies()
network_gradients()
trajectory("bcgd_paper", 700, blend=1e-2, learning_rate=0.05, momentum=0.95, weight_decay=1e-4, alpha_rate_factor=0.01)
# The same with every constant large enough that no mistake in it hides below the tolerance.
trajectory("bcgd_strong", 700000, blend=0.1, learning_rate=0.05, momentum=0.9, weight_decay=0.05, alpha_rate_factor=0.2)
projection_block("projection_block_relu", 800, nn.ReLU)
projection_block("projection_block_4bit", 810, Quantizer)
whole_network("imagenet_resnet18", [2, 2, 2, 2])
whole_network("imagenet_resnet34", [3, 4, 6, 3])
if len(sys.argv) > 2:
    pretrained(sys.argv[2])
total = sum(os.path.getsize(os.path.join(OUT, name)) for name in os.listdir(OUT))
print(f"\n{total} bytes in {OUT}")
