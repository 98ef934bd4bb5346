# SPDX-License-Identifier: GPL-3.0-or-later
"""ImageNet's ResNets. The block with a projected shortcut is stored with its weights. Whole networks are not: their weights come from
a hash of their indices that Swift computes too, and of their gradients random projections are stored. Of torchvision's published
weights the scores for one formula's image are stored.
"""
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from quantized_relu import QuantizedReLU, margin
from vector_files import MARGIN, Step, decode, draw, find_seed, leaf, out, save


class Quantizer(nn.Module):
    """The 4-bit quantized ReLU; `margin` is its smallest distance to a step in the last run."""

    def __init__(self):
        super().__init__()
        self.resolution, self.fits = nn.Parameter(torch.ones(1)), False

    def forward(self, x):
        if self.fits:
            self.resolution.data = 0.8 * x.detach().max().reshape(1).float().to(x.dtype) / 15
        self.margin = margin(x, self.resolution, 4)
        return QuantizedReLU.apply(x, self.resolution, 4, "clipped-relu", "three-valued")


class BasicBlock(nn.Module):
    """torchvision.models.resnet.BasicBlock with an activation of its own at each of the two places."""

    def __init__(self, c_in, c_out, stride, activation):
        super().__init__()
        self.conv1, self.bn1, self.act1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out), activation()
        self.conv2, self.bn2, self.act2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False), nn.BatchNorm2d(c_out), activation()
        self.downsample = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        y = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))
        return self.act2(y + self.downsample(x))


class ResNet(nn.Module):
    """torchvision.models.resnet18 and resnet34, with the same names of tensors."""

    def __init__(self, blocks, classes, activation=nn.ReLU):
        super().__init__()
        self.conv1, self.bn1, self.act1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), activation()
        self.maxpool, c_in = nn.MaxPool2d(3, 2, 1), 64
        for stage, count in enumerate(blocks):
            c_out = 64 << stage
            layer = [BasicBlock(c_in if i == 0 else c_out, c_out, 2 if stage and i == 0 else 1, activation) for i in range(count)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layer))
            c_in = c_out
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = self.maxpool(self.act1(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def state_of(module):
    return {key: value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")}


# --- the block with a projected shortcut ---------------------------------------------------------

def projection_block(name, first_seed, activation):
    def build(state, dtype):
        block = BasicBlock(4, 8, 2, activation).to(dtype)
        block.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()}, strict=False)
        return block

    def attempt(random, integers):
        block, x = BasicBlock(4, 8, 2, activation).double(), random(3, 7, 6, 4)
        with torch.no_grad():
            for key, value in state_of(block).items():
                value.copy_(torch.from_numpy(0.3 * random(*value.shape)).reshape(value.shape))
                if key.endswith("running_var"):
                    value.copy_(value.square() + 1)
                elif value.ndim == 1 and key.endswith("weight"):
                    value.add_(1)
            quantizers = [m for m in block.modules() if isinstance(m, Quantizer)]
            for q in quantizers:
                q.fits = True
            block.train()
            statistics = {key: value.clone() for key, value in block.state_dict().items() if "running" in key}
            block(leaf(x, torch.float64, True))
            block.load_state_dict(statistics, strict=False)
        state = {key: np.float32(value.numpy()).astype(np.float64) for key, value in state_of(block).items()}
        block = build(state, torch.float64)
        block(leaf(x, torch.float64, True))
        if quantizers and min(m.margin for m in block.modules() if isinstance(m, Quantizer)) < MARGIN:
            raise Step
        return state, x

    seed, (state, x) = find_seed(first_seed, attempt)
    dy = draw(seed + 1)(3, 4, 3, 8)

    def run(values, dtype):
        block, x = build(state, dtype), leaf(values["x"], dtype, True)
        y = block(x)
        y.backward(leaf(values["dy"], dtype, True).detach())
        result = {"y": out(y, True), "dx": out(x.grad, True)}
        result.update({"grad." + key: out(p.grad) for key, p in block.named_parameters()})
        result.update({"after." + key: out(value) for key, value in state_of(block).items() if "running" in key})
        return result

    save(name, run, {"x": x, "dy": dy, **state}, seed=seed)


# --- whole networks, their weights from a hash ---------------------------------------------------

def hashed(seed, count):
    """Numbers in [-1, 1), the same bits everywhere: the finaliser of MurmurHash3 on index + seed · 0x9E3779B9."""
    h = np.arange(count, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return h.astype(np.float64) / 2**31 - 1


def hashed_state(module):
    """Convolutions and the classifier of He's deviation; batch norm near its start, but nothing exactly there."""
    state = {}
    for seed, (key, value) in enumerate(sorted(state_of(module).items())):
        u, shape = hashed(seed, value.numel()), tuple(value.shape)
        if len(shape) > 1:
            u *= math.sqrt(6 / (shape[0] * shape[2] * shape[3] if len(shape) == 4 else shape[1]))
        elif key.endswith("weight") or key.endswith("running_var"):
            u = 1 + 0.25 * u
        else:
            u *= 0.25
        state[key] = torch.from_numpy(np.float32(u).reshape(shape))
    return state


BATCH, SIDE, CLASSES, DIRECTIONS = 3, 33, 10, 4
KINK_MARGIN = 1e-5    # a ReLU's input nearer to 0 than this may change sides in f32, which changes gradients by a permille


class MeasuredReLU(nn.ReLU):
    """ReLU that knows how near to its kink an input came."""

    def forward(self, x):
        self.margin = x.detach().abs().min().item()
        return super().forward(x)


def whole_network(name, blocks):
    labels, state = torch.arange(BATCH), hashed_state(ResNet(blocks, CLASSES))

    def start(dtype, seed):
        net = ResNet(blocks, CLASSES, MeasuredReLU)
        net.load_state_dict(state, strict=False)
        net = net.to(dtype).train()
        x = torch.from_numpy(np.float32(hashed(seed, BATCH * SIDE * SIDE * 3))).to(dtype)
        x = x.reshape(BATCH, SIDE, SIDE, 3).permute(0, 3, 1, 2)
        return net, x, net(x)

    def margin_of(seed):
        with torch.no_grad():
            net, _, _ = start(torch.float64, seed)
        return min(m.margin for m in net.modules() if isinstance(m, MeasuredReLU))

    seed = next(seed for seed in range(1000, 2000) if margin_of(seed) > KINK_MARGIN)

    def run(values, dtype):
        net, x, logits = start(dtype, seed)
        F.cross_entropy(logits, labels).backward()
        result = {"logits": out(logits)}
        norms, projections = [], []
        for index, (key, p) in enumerate(sorted(net.named_parameters())):
            g = p.grad.double().flatten().numpy()
            norms.append(np.linalg.norm(g))
            directions = hashed(2000 + index, DIRECTIONS * g.size).reshape(DIRECTIONS, -1)
            # In units of the gradient's norm: of order 1 for any tensor, and so comparable between them.
            projections.append(directions @ g / norms[-1])
        result["norms_log"], result["projections"] = np.log(norms), np.stack(projections)
        net.eval()
        result["logits_evaluation"] = out(net(x))
        return result

    save(name, run, {}, batch=BATCH, side=SIDE, classes=CLASSES, directions=DIRECTIONS, labels="0, 1, 2", image_seed=seed,
         margin=f"{margin_of(seed):.1e}", order="parameters by name")


# --- torchvision's published weights -------------------------------------------------------------

def formula_image():
    """[1, 3, 224, 224]: 1.5 · sin(0.05·h + c) · cos(0.03·w − c) + 0.5 · sin(0.4·h + 0.3·w)."""
    c, h, w = np.meshgrid(np.arange(3), np.arange(224), np.arange(224), indexing="ij")
    x = 1.5 * np.sin(0.05 * h + c) * np.cos(0.03 * w - c) + 0.5 * np.sin(0.4 * h + 0.3 * w)
    return torch.from_numpy(np.float32(x)[None])


def pretrained(path):
    with open(path, "rb") as file:
        state = {key: torch.from_numpy(array) for key, array in decode(file.read(), path)[0].items()}

    def run(values, dtype):
        net = ResNet([2, 2, 2, 2], 1000)
        absent, unknown = net.load_state_dict(state, strict=False)
        assert not unknown and all(key.endswith("num_batches_tracked") for key in absent), (absent, unknown)
        with torch.no_grad():
            logits = net.to(dtype).eval()(formula_image().to(dtype))
        return {"logits": out(logits)}

    save("imagenet_resnet18_pretrained", run, {}, weights="torchvision ResNet18_Weights.IMAGENET1K_V1",
         image="[3, 224, 224]: 1.5 sin(0.05 h + c) cos(0.03 w - c) + 0.5 sin(0.4 h + 0.3 w)")
