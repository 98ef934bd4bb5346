# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of BCGD on that network."""
import numpy as np
import torch

from network import ALPHAS, CLASSES, NETWORK, QUANTIZED, STATISTICS, TRAINED, Run, fitted, initial, scaled
from vector_files import Step, find_seed, out, save


def train(state, xs, labels, recipe, dtype, strict):
    """METHOD.md part 1, BCGD, with torch.optim.SGD as the gradient step."""
    run = Run(state, dtype)
    weights = {key: torch.nn.Parameter(run.value[key].clone()) for key in TRAINED}
    alphas = {key: torch.nn.Parameter(run.value[key].clone()) for key in ALPHAS}
    lr, decay = recipe["learning_rate"], recipe["weight_decay"]
    optimiser = torch.optim.SGD(
        [dict(params=list(weights.values()), lr=lr, weight_decay=decay),
         dict(params=list(alphas.values()), lr=lr * recipe["alpha_rate_factor"], weight_decay=0.0)], lr=lr, momentum=recipe["momentum"])
    losses, scales, flips = [], [], 0
    for x, label in zip(xs, labels):
        run.value.update({key: p.detach() for key, p in (weights | alphas).items()})
        scales.append(np.concatenate([out(alphas[key]) for key in ALPHAS]))
        _, _, loss = run.gradients(x, label, strict)
        losses.append(out(loss.reshape(1)))
        with torch.no_grad():
            for key in QUANTIZED:                                            # blend …
                weights[key].copy_((1 - recipe["blend"]) * weights[key] + recipe["blend"] * run.seen[key])
        before = {key: weights[key] >= 0 for key in QUANTIZED}
        for key, p in (weights | alphas).items():                            # … then correct
            p.grad = run.seen[key].grad
        optimiser.step()
        flips += sum((before[key] != (weights[key] >= 0)).sum().item() for key in QUANTIZED)
        if min(a.item() for a in alphas.values()) <= 0:
            raise Step
    run.value.update({key: p.detach() for key, p in (weights | alphas).items()})
    run.quantize(strict)
    scales.append(np.concatenate([out(alphas[key]) for key in ALPHAS]))
    result = {"loss": np.concatenate(losses), "alphas": np.stack(scales)}
    result.update({"final." + key: out(run.value[key]) for key in TRAINED + ALPHAS + STATISTICS})
    result.update({"final.quantized." + key: out(run.seen[key]) for key in QUANTIZED})
    return result, flips, run


def trajectory(name, first_seed, steps=5, **recipe):
    def attempt(random, integers):
        state = initial(random)
        xs, labels = random(steps, 3, 5, 5, 3), integers.randint(0, CLASSES, (steps, 3))
        state.update(scaled(fitted(state, xs[0])))
        _, flips, run = train(state, xs, labels, recipe, torch.float64, strict=True)
        if flips < 5:       # a run whose binary weights stand still would test less
            raise Step
        return state, xs, labels, flips, run.margin

    seed, (state, xs, labels, flips, smallest) = find_seed(first_seed, attempt)
    save(name, lambda values, dtype: train(state, xs, labels, recipe, dtype, strict=False)[0], {"x": xs, "labels": labels, **state},
         seed=seed, margin=f"{smallest:.1e}", sign_flips=flips, steps=steps, alpha_order=" ".join(ALPHAS), **recipe, **NETWORK,
         order="quantize; gradient at (w_q, alpha); w_f = (1-blend) w_f + blend w_q; "
         "buf = momentum buf + g + weight_decay w_f; w_f -= learning_rate buf",
         weight_decay_on="all weights, batch-norm gamma and beta, linear.bias; not alpha",
         alpha_step="buf = momentum buf + g; alpha -= learning_rate alpha_rate_factor buf", decays_blended_weights="true")
