# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints SettingsVectors.swift: what PyTorch makes of the settings of a recipe that it has too, in f64.

    python3 -m venv v && v/bin/pip install torch numpy && v/bin/python pytorch_settings.py > SettingsVectors.swift
"""
import torch
from torch.optim import lr_scheduler as schedules

torch.set_default_dtype(torch.float64)


def array(values):
    return "[" + ", ".join(repr(float(v)) for v in values) + "]"


def rates(make, steps, rate):
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=rate)
    schedule, found = make(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def warm(optimizer, first, then):
    rise = schedules.LinearLR(optimizer, start_factor=1 / first, end_factor=1, total_iters=first - 1)
    return schedules.SequentialLR(optimizer, [rise, then(optimizer)], [first])


# 5 epochs of 4 steps, one of warm-up, η = 0.4.
cosine = rates(lambda o: warm(o, 4, lambda o: schedules.CosineAnnealingLR(o, T_max=16)), 20, 0.4)
linear = rates(lambda o: warm(o, 4, lambda o: schedules.LinearLR(o, start_factor=1, end_factor=0, total_iters=16)), 20, 0.4)
plain_cosine = rates(lambda o: schedules.CosineAnnealingLR(o, T_max=20), 20, 0.4)

# Five steps of Adam with coupled weight decay on six weights.
generator = torch.Generator().manual_seed(7)
start = torch.randn(6, generator=generator)
gradients = torch.randn(5, 6, generator=generator)
weights = start.clone().requires_grad_()
adam = torch.optim.Adam([weights], lr=0.05, betas=(0.9, 0.99), eps=1e-3, weight_decay=0.1)
path = []
for gradient in gradients:
    weights.grad = gradient.clone()
    adam.step()
    path.append(weights.detach().clone())

# Label smoothing, four images of five classes.
scores = (2 * torch.randn(4, 5, generator=generator)).requires_grad_()
labels = torch.tensor([0, 3, 3, 4])
loss = torch.nn.CrossEntropyLoss(label_smoothing=0.1)(scores, labels)
loss.backward()

print("// SPDX-License-Identifier: GPL-3.0-or-later\n// Made by pytorch_settings.py with PyTorch " + torch.__version__ + ".\n")
print("enum SettingsVectors {")
print(f"    static let cosine = {array(cosine)}\n    static let linear = {array(linear)}\n"
      f"    static let plainCosine = {array(plain_cosine)}")
print(f"    static let adamStart = {array(start)}")
print("    static let adamGradients = [\n" + "".join(f"        {array(g)},\n" for g in gradients) + "    ]")
print("    static let adamPath = [\n" + "".join(f"        {array(w)},\n" for w in path) + "    ]")
print(f"    static let scores = {array(scores.detach().flatten())}\n    static let labels: [Int32] = {labels.tolist()}")
print(f"    static let loss = {float(loss.detach())!r}\n    static let scoreGradient = {array(scores.grad.flatten())}\n}}")
