# SPDX-License-Identifier: GPL-3.0-or-later
"""The update of BCGD in PyTorch, written from Documentation/METHOD.md part 1: projections on the device, blend, momentum, decay."""
import math

import torch

import bcgd

# Keys of recipes that are restated here by one value alone (left out, they have it).
ONLY = {"weight_quantizer": "projection", "activation_quantizer": "quantized-relu", "ternary": "exact", "evaluation": "current",
        "optimizer": "sgd", "accumulation": 1, "validation_images": 0, "batch_norm_images": 0, "batch_norm_affine": True}


def check_recipe(recipe):
    """Raises bcgd.Error for what this restatement does not have."""
    for key, value in ONLY.items():
        if recipe.get(key, value) != value:
            raise bcgd.Error(f"{key}: expected {value}, the only one that PyTorch's trainer has, found {recipe[key]}")
    if recipe["method"] not in ("float", "bcgd", "bc"):
        raise bcgd.Error(f"method: expected float, bcgd or bc, the only ones that PyTorch's trainer has, found {recipe['method']}")


def learning_rate(recipe, epoch, batch, batches):
    """η of a step; epoch and batch are counted from 0 (Sources/Training/RecipeInUse.swift)."""
    done, warmup = epoch * batches + batch, recipe.get("warmup_epochs", 0) * batches
    rise = min(1, (done + 1) / warmup) if warmup else 1
    part = max(0, done - warmup) / (recipe["epochs"] * batches - warmup)
    schedule, rate = recipe.get("schedule", "step"), rise * recipe["rate"]
    if schedule == "step":
        return rate / recipe["rate_divisor"] ** sum(epoch >= milestone for milestone in recipe["milestones"])
    return rate * ((1 + math.cos(math.pi * part)) / 2 if schedule == "cosine" else 1 - part)


def project(weights, quantization):
    """Scales [slices] and integer weights, in the weights' type and shape: the nearest δ·q, at 3 bits and more by Lloyd's alternation."""
    slices, bits = len(weights) if quantization["per_channel"] else 1, quantization["bits"]
    rows = weights.detach().reshape(slices, -1)
    size = rows.abs().double()
    if bits == 1:
        scales, integers = size.mean(1, keepdim=True), torch.where(rows >= 0, 1, -1)
    elif bits == 2:
        falling = size.sort(1, descending=True).values
        sums, counts = falling.cumsum(1), torch.arange(1, rows.shape[1] + 1, device=rows.device)
        best = (sums * sums / counts).argmax(1, keepdim=True)
        scales, integers = sums.gather(1, best) / (best + 1), torch.where(size >= falling.gather(1, best), rows.sign(), 0)
    else:
        top = 2 ** (bits - 1) - 1
        scales = rows.abs().amax(1, keepdim=True) / ((2 ** bits - 1) / 2)
        for _ in range(quantization["lloyd_iterations"]):
            # Past the fixed point nothing changes, and asking whether it is reached would wait for the device.
            integers = (rows / scales).nan_to_num(0).round().clamp(-top, top)
            exact = integers.double()
            scales = ((rows.double() * exact).sum(1, keepdim=True) / (exact * exact).sum(1, keepdim=True)).nan_to_num(0).to(rows)
    return scales[:, 0].to(weights), integers.to(weights).reshape(weights.shape)


class Descent:
    """A module of bcgd.to_torch, its float weights and how a recipe changes them. `momenta`: by parameter name; none: zeros."""

    def __init__(self, module, recipe, momenta=None):
        check_recipe(recipe)
        self.module, self.recipe = module, recipe
        self.blending = recipe["blending"] if recipe["method"] == "bcgd" else 0
        self.quantized = [layer for layer in module.modules() if getattr(layer, "quantization", None)]
        self.parameters = dict(module.named_parameters())
        self.step_sizes = [p for name, p in self.parameters.items() if name.endswith(".resolution")]
        weights = [p for name, p in self.parameters.items() if not name.endswith(".resolution")]
        self.optimizer = torch.optim.SGD(
            [{"params": weights, "weight_decay": recipe["weight_decay"]},
             {"params": self.step_sizes, "weight_decay": recipe.get("resolution_decay", 0)}],
            lr=recipe["rate"], momentum=recipe["momentum"])
        for name, parameter in self.parameters.items():
            momentum = torch.zeros_like(parameter) if momenta is None else momenta[name].to(parameter)
            self.optimizer.state[parameter]["momentum_buffer"] = momentum
        self.project()

    @torch.no_grad()
    def project(self):
        """w_q ← proj_Q(w_f), in place. Returns how many integer weights are others than before."""
        changes = []
        for layer in self.quantized:
            found = project(layer.weight, layer.quantization)
            if layer.stored is None:  # the integers lie as the weights do, so that compilers see one memory format
                layer.stored = found[0], torch.empty_like(layer.weight).copy_(found[1])
                continue
            changes.append((layer.stored[1] != found[1]).sum())
            for stored, new in zip(layer.stored, found):
                stored.copy_(new)
        return torch.stack(changes).sum() if changes else None

    @torch.no_grad()
    def step(self, rate):
        """After the backward pass at w_q: w_f ← (1 − ρ)w_f + ρw_q − ηm, then the projection. Returns as `project`."""
        for layer in self.quantized if self.blending else []:
            scales, integers = layer.stored
            layer.weight.mul_(1 - self.blending).add_(scales.reshape((-1,) + (1,) * (integers.ndim - 1)) * integers, alpha=self.blending)
        for alpha in self.step_sizes:
            alpha.grad.mul_(self.recipe.get("resolution_gradient_factor", 1))
            if "resolution_gradient_limit" in self.recipe:
                alpha.grad.clamp_(-self.recipe["resolution_gradient_limit"], self.recipe["resolution_gradient_limit"])
        for group, factor in zip(self.optimizer.param_groups, (1, self.recipe["resolution_rate_factor"])):
            group["lr"] = rate * factor
        self.optimizer.step()
        for alpha in self.step_sizes:
            alpha.clamp_(self.recipe["resolution_minimum"], self.recipe.get("resolution_maximum"))
        return self.project()

    def momenta(self):
        return {name: self.optimizer.state[parameter]["momentum_buffer"] for name, parameter in self.parameters.items()}
