#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The float run of `reproduce table1` in PyTorch: same network, recipe, augmentation and schedule.

It exists to answer one question: does our engine reach the accuracy that PyTorch reaches on the
same work?  The two share no random stream, so the finals agree only within the seeds' spread; and the
classifier (650 of ResNet-20's 269,722 parameters) starts from PyTorch's default here, from normal(0, sqrt(2/inputs))
there and with `--classifier normal`.

    python3 float_baseline.py --data cifar-10-batches-bin --out curve.csv [--network vgg11] [--seed 1]
"""
import argparse
import csv
import os
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
STD = torch.tensor([0.2023, 0.1994, 0.2010]).view(1, 3, 1, 1)


class Block(nn.Module):
    """Basic block with the parameter-free shortcut: stride-2 subsampling and zero-padded channels."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.stride, self.pad = stride, (c_out - c_in) // 2
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride != 1 or self.pad:
            x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(x + y)


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    c_in = 16
    for c_out, stride in ((16, 1), (32, 2), (64, 2)):
        for i in range(3):
            layers.append(Block(c_in, c_out, stride if i == 0 else 1))
            c_in = c_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def vgg11():
    layers, c_in = [], 3
    for c_out in (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"):
        if c_out == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(c_in, c_out, 3, 1, 1), nn.BatchNorm2d(c_out), nn.ReLU()]
            c_in = c_out
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def initialize(net, classifier):
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            k, c = m.kernel_size[0], m.out_channels
            nn.init.normal_(m.weight, 0, (2 / (k * k * c)) ** 0.5)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.Linear) and classifier == "normal":
            nn.init.normal_(m.weight, 0, (2 / m.in_features) ** 0.5)
            nn.init.zeros_(m.bias)
    return net


def load(path):
    raw = np.fromfile(path, np.uint8).reshape(-1, 3073)
    return torch.from_numpy(raw[:, 1:].reshape(-1, 3, 32, 32).copy()), torch.from_numpy(raw[:, 0].astype(np.int64))


def augment(x, rng):
    """Random 32x32 crop after 4 pixels of zero padding, then a fair coin's horizontal flip."""
    n = len(x)
    padded = F.pad(x, (4, 4, 4, 4))
    dy, dx, flip = (torch.randint(0, hi, (n,), generator=rng) for hi in (9, 9, 2))
    rows = dy[:, None] + torch.arange(32)
    cols = torch.where(flip[:, None] == 1, dx[:, None] + torch.arange(31, -1, -1), dx[:, None] + torch.arange(32))
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--network", choices=["resnet20", "vgg11"], default="resnet20")
    p.add_argument("--classifier", choices=["default", "normal"], default="default")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--epochs", type=int, default=15)
    p.add_argument("--milestones", type=int, nargs="*", default=[6, 11])
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    rng = torch.Generator().manual_seed(a.seed)
    parts = [load(os.path.join(a.data, f"data_batch_{i}.bin")) for i in range(1, 6)]
    x, y = torch.cat([t[0] for t in parts]), torch.cat([t[1] for t in parts])
    xt, yt = load(os.path.join(a.data, "test_batch.bin"))
    # Zero padding happens on normalised values in the usual torchvision pipeline only if it normalises
    # first; torchvision crops the raw image, so the pad is black. So does this script, and so do we.
    normalise = lambda u: ((u.float() / 255 - MEAN) / STD).contiguous(memory_format=torch.channels_last)
    net = initialize({"resnet20": resnet20, "vgg11": vgg11}[a.network](), a.classifier).to(memory_format=torch.channels_last)
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.95, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.MultiStepLR(opt, a.milestones, gamma=0.1)
    rows, start = [], time.time()
    for epoch in range(1, a.epochs + 1):
        net.train()
        total = 0.0
        order = torch.randperm(len(x), generator=rng)
        for i in range(0, len(x), 128):
            idx = order[i:i + 128]
            loss = F.cross_entropy(net(normalise(augment(x[idx], rng))), y[idx])
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            total += loss.item() * len(idx)
        sched.step()
        net.eval()
        with torch.no_grad():
            hits = sum((net(normalise(xt[i:i + 500])).argmax(1) == yt[i:i + 500]).sum().item() for i in range(0, len(xt), 500))
        rows.append([epoch, f"{total / len(x):.6f}", f"{100 * hits / len(xt):.2f}", f"{time.time() - start:.1f}", a.seed,
                torch.__version__])
        print(*rows[-1], flush=True)
        with open(a.out + ".part", "w", newline="") as f:
            csv.writer(f).writerows([["epoch", "train_loss", "test_top1", "seconds", "seed", "torch"]] + rows)
        os.replace(a.out + ".part", a.out)


if __name__ == "__main__":
    main()
