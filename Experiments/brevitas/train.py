#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains a small residual network with Brevitas on Fashion-MNIST and exports it: what `reproduce import` reads.

    pip install brevitas onnx onnxoptimizer onnxscript
    python3 Experiments/brevitas/train.py OUT --weight-bits 4 --epochs 1
    reproduce import OUT/qcdq.onnx --dataset fashion-mnist -o model.bcgd
    python3 Experiments/brevitas/compare.py OUT model.bcgd

Weights have one scale a layer, activations are QuantReLU with one scale each; the first convolution reads float pixels. OUT then holds
qcdq.onnx, qonnx.onnx, and Brevitas's scores of the test images, in f32 (scores.f32).
"""
import argparse
import gzip
import os

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from torch import nn
from torch.nn import functional as F

MEAN, STD = 0.2860406, 0.3530242  # of the training images, as Sources/Datasets has them


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, conv, act):
        super().__init__()
        self.conv1, self.bn1, self.act1 = conv(inputs, outputs, stride), nn.BatchNorm2d(outputs), act()
        self.conv2, self.bn2, self.act2 = conv(outputs, outputs, 1), nn.BatchNorm2d(outputs), act()
        self.short = None if stride == 1 else nn.Sequential(conv(inputs, outputs, stride, kernel=1), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))
        return self.act2(y + (x if self.short is None else self.short(x)))


class Network(nn.Module):
    def __init__(self, weight_bits, activation_bits):
        super().__init__()
        weights = dict(weight_bit_width=weight_bits, weight_scaling_per_output_channel=False)

        def conv(inputs, outputs, stride, kernel=3):
            return qnn.QuantConv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False, **weights)

        def act():
            return qnn.QuantReLU(bit_width=activation_bits)

        self.conv, self.bn, self.act = conv(1, 16, 1), nn.BatchNorm2d(16), act()
        self.blocks = nn.Sequential(Block(16, 16, 1, conv, act), Block(16, 32, 2, conv, act))
        self.fc = qnn.QuantLinear(32, 10, bias=True, **weights)

    def forward(self, x):
        x = self.blocks(self.act(self.bn(self.conv(x))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def images(folder, part):
    with gzip.open(f"{folder}/{part}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    with gzip.open(f"{folder}/{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return (pixels.astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD), torch.from_numpy(labels.astype(np.int64))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--weight-bits", type=int, default=4, help="2 to 8; Brevitas exports no binary weights (default: %(default)s)")
    parser.add_argument("--activation-bits", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--images", type=int, default=60000, help="training images that are used")
    parser.add_argument("--test-images", type=int, default=10000)
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    torch.manual_seed(1)
    model = Network(options.weight_bits, options.activation_bits)
    (x, labels), (test, test_labels) = images(options.data, "train"), images(options.data, "t10k")
    x, labels = torch.from_numpy(x)[:options.images], labels[:options.images]
    test, test_labels = test[:options.test_images], test_labels[:options.test_images]
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for epoch in range(options.epochs):
        model.train()
        for chosen in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[chosen]), labels[chosen])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss of the last batch {loss.item():.3f}", flush=True)
    model.eval()
    with torch.no_grad():
        scores = torch.cat([model(batch) for batch in torch.from_numpy(test).split(500)])
    print(f"top-1 on the test images: {(scores.argmax(1) == test_labels).float().mean() * 100:.2f} %")
    scores.numpy().tofile(os.path.join(options.out, "scores.f32"))
    example = torch.from_numpy(test[:1])
    for export, name in [(export_onnx_qcdq, "qcdq"), (export_qonnx, "qonnx")]:
        export(model, args=example, export_path=os.path.join(options.out, f"{name}.onnx"), dynamo=False)


if __name__ == "__main__":
    main()
