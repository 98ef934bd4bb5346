# SPDX-License-Identifier: GPL-3.0-or-later
"""One PyTorch configuration of the training benchmark: a whole step of BCGD, as fast as PyTorch does it on a CPU; with --brevitas the
same network and bits by Brevitas's layers, with SGD, as its users would train it.

Describes the step in one line of JSON on standard output, then answers each line "go K" with the mean of K steps;
`training.py` drives it.  Not a reference for accuracy: `Tests` hold the vectors for that.
"""
import argparse
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

from answers import answer, standard_output

RATE, RESOLUTION_RATE, RESOLUTION_MINIMUM = 1e-3, 1e-5, 1e-3
MOMENTUM, DECAY, BLENDING = 0.95, 1e-4, 1e-5


class QuantizedReLUFunction(torch.autograd.Function):
    """alpha·clamp(ceil(x/alpha), 0, top); clipped-ReLU derivative in x, three-valued derivative in alpha."""

    @staticmethod
    def forward(ctx, x, alpha, top):
        t = x / alpha
        ctx.save_for_backward(t)
        ctx.top = top
        return torch.ceil(t).clamp_(0, top).mul_(alpha)

    @staticmethod
    def backward(ctx, g):
        # Two fused ATen passes instead of comparisons and torch.where: the fastest known in eager PyTorch.
        (t,), top = ctx.saved_tensors, ctx.top
        inside = torch.ops.aten.hardtanh_backward(g, t, 0.0, top)
        above = torch.ops.aten.threshold_backward(g, t, top)
        alpha_gradient = (top + 1) / 2 * inside.sum(dtype=torch.float32) + top * above.sum(dtype=torch.float32)
        return inside, alpha_gradient, None


class QuantizedReLU(nn.Module):
    def __init__(self, bits):
        super().__init__()
        self.alpha, self.top = nn.Parameter(torch.tensor(1.0)), float(2**bits - 1)
        self.calibrate = False

    def forward(self, x):
        if self.calibrate:
            self.alpha.data.copy_(x.max() / self.top)
        return QuantizedReLUFunction.apply(x, self.alpha, self.top)


# Networks: those of the package's Sources/Graph, with the same parameters.


class Block(nn.Module):
    """Basic block; the shortcut is free of parameters (CIFAR) or a 1×1 convolution where shapes change (ImageNet)."""

    def __init__(self, c_in, c_out, stride, activation, projects):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out)
        self.conv2, self.bn2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False), nn.BatchNorm2d(c_out)
        self.act1, self.act2 = activation(), activation()
        self.stride, self.pad = stride, (c_out - c_in) // 2
        self.changes = stride != 1 or c_in != c_out
        if projects and self.changes:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))
        elif self.changes:
            self.shortcut = lambda x: F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        else:
            self.shortcut = nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))
        return self.act2(y.add_(self.shortcut(x)))


def blocks(stages, per_stage, activation, projects):
    c_in, layers = stages[0], []
    for stage, c_out in enumerate(stages):
        for i in range(per_stage):
            layers.append(Block(c_in, c_out, 2 if stage and not i else 1, activation, projects))
            c_in = c_out
    return layers


def network(name, classes, activation):
    if name == "resnet18":
        first = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), activation(), nn.MaxPool2d(3, 2, 1)]
        body, features = blocks((64, 128, 256, 512), 2, activation, True), 512
    elif name.startswith("resnet"):
        first = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), activation()]
        body, features = blocks((16, 32, 64), (int(name[6:]) - 2) // 6, activation, False), 64
    elif name == "lenet5":
        return nn.Sequential(
            nn.Conv2d(1, 20, 5, bias=False), nn.BatchNorm2d(20), activation(), nn.MaxPool2d(2),
            nn.Conv2d(20, 50, 5, bias=False), nn.BatchNorm2d(50), activation(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(800, 500), nn.BatchNorm1d(500), activation(), nn.Linear(500, classes))
    elif name == "vgg11":
        first, body, features, c_in = [], [], 512, 3
        for c in (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"):
            if c == "M":
                body.append(nn.MaxPool2d(2))
            else:
                body += [nn.Conv2d(c_in, c, 3, 1, 1), nn.BatchNorm2d(c), activation()]
                c_in = c
        return nn.Sequential(*body, nn.Flatten(), nn.Linear(features, classes))
    else:
        sys.exit(f"no network {name}; there are lenet5, vgg11, resnet18 and resnet20, 32, …")
    return nn.Sequential(*first, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, classes))


def brevitas_layers(net, weight_bits):
    """The network with Brevitas's convolutions and linear layers in place of PyTorch's: one constant scale a tensor, straight through."""
    import brevitas.nn as qnn
    from brevitas.quant import Int8WeightPerTensorFloat, SignedBinaryWeightPerTensorConst
    rule = dict(weight_quant=SignedBinaryWeightPerTensorConst, weight_scaling_init=0.1) if weight_bits == 1 else dict(
        weight_quant=Int8WeightPerTensorFloat, weight_bit_width=weight_bits)
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            bias = getattr(child, "bias", None) is not None
            if type(child) is nn.Conv2d:
                setattr(parent, name, qnn.QuantConv2d(child.in_channels, child.out_channels, child.kernel_size[0], stride=child.stride,
                                                      padding=child.padding, bias=bias, **rule))
            elif type(child) is nn.Linear:
                setattr(parent, name, qnn.QuantLinear(child.in_features, child.out_features, bias=bias, **rule))
    return net


def brevitas_activation(bits):
    """A learned scale from a constant, so that no step collects statistics."""
    import brevitas.nn as qnn
    from brevitas.quant import Uint8ActPerTensorFloatMaxInit
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFloatMaxInit, max_val=6.0, bit_width=bits)


class Update:
    """Blend, SGD with momentum, projection to one bit with a scale for each layer.

    The network's own weights are w_q; the float weights w_f live here.
    """

    def __init__(self, net, weight_bits):
        quantizes = (nn.Conv2d, nn.Linear)
        weights = [m.weight for m in net.modules() if isinstance(m, quantizes)] if weight_bits == 1 else []
        self.alphas = [m.alpha for m in net.modules() if isinstance(m, QuantizedReLU)]
        taken = {id(p) for p in weights + self.alphas}
        rest = [p for p in net.parameters() if id(p) not in taken]
        self.net, self.weights, self.quantized = net, weights, [p.data for p in weights]
        self.floats = [p.detach().clone() for p in weights]
        groups = [{"params": rest + self.floats}, {"params": self.alphas, "lr": RESOLUTION_RATE, "weight_decay": 0.0}]
        self.sgd = torch.optim.SGD([g for g in groups if g["params"]], lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, fused=True)
        self.project()

    @torch.no_grad()
    def project(self):
        if self.floats:
            for w, q, norm in zip(self.floats, self.quantized, torch._foreach_norm(self.floats, 1)):
                torch.copysign(norm / w.numel(), w, out=q)

    @torch.no_grad()
    def __call__(self):
        if self.floats:
            torch._foreach_lerp_(self.floats, self.quantized, BLENDING)
            for w, p in zip(self.floats, self.weights):
                w.grad = p.grad
        self.sgd.step()
        if self.alphas:
            torch._foreach_clamp_min_(self.alphas, RESOLUTION_MINIMUM)
        self.project()
        for p in self.net.parameters():
            p.grad = None


def work(net, channels, side):
    """Multiply-adds of one image's forward pass: (padding's taps counted, useful taps only, useful ones of the first layer)."""
    counts = []

    def taps(size, out, kernel, stride, padding):
        return sum(0 <= o * stride + k - padding < size for o in range(out) for k in range(kernel))

    def count(module, inputs, output):
        weights = module.weight.numel()
        if isinstance(module, nn.Linear):
            return counts.append((weights, weights))
        (h, w), (k, _), s, p = inputs[0].shape[2:], module.kernel_size, module.stride[0], module.padding[0]
        oh, ow = output.shape[2:]
        counts.append((weights * oh * ow, weights // (k * k) * taps(h, oh, k, s, p) * taps(w, ow, k, s, p)))

    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [m.register_forward_hook(count) for m in layers]
    net.eval()
    with torch.no_grad():
        net(torch.zeros(1, channels, side, side))
    net.train()
    for hook in hooks:
        hook.remove()
    return sum(c[0] for c in counts), sum(c[1] for c in counts), counts[0][1]


def self_check():
    """The vectorised function and update against their definitions; a benchmark of wrong arithmetic is worth nothing."""
    torch.manual_seed(1)
    x, g, alpha, top = torch.randn(10000) * 2, torch.randn(10000), torch.tensor(0.2, requires_grad=True), 15.0
    leaf = x.clone().requires_grad_()
    y = QuantizedReLUFunction.apply(leaf, alpha, top)
    y.backward(g)
    inside, above = (x > 0) & (x / 0.2 <= top), x / 0.2 > top
    assert torch.equal(y, 0.2 * torch.clamp(torch.ceil(x / alpha.detach()), 0, top)), "quantized ReLU, forward"
    assert torch.equal(leaf.grad, torch.where(inside, g, 0.0)), "quantized ReLU, derivative in x"
    expected = (8 * g.double()[inside]).sum() + (15 * g.double()[above]).sum()
    # 10000 f32 summands of size 10: rounding errors stay far below 0.05, a wrong term is off by more than 1.
    assert abs(alpha.grad.double() - expected) < 0.05, "quantized ReLU, derivative in alpha"
    net = nn.Sequential(nn.Linear(6, 5, bias=False))
    w = net[0].weight.detach().double().clone()
    update = Update(net, 1)
    m = torch.zeros_like(w)
    for _ in range(3):
        gradient = torch.randn(5, 6)
        net[0].weight.grad = gradient
        w = (1 - BLENDING) * w + BLENDING * w.abs().mean() * torch.sign(w)
        m = MOMENTUM * m + gradient.double() + DECAY * w
        w = w - RATE * m
        update()
    # f32 against f64 over three steps: a few ulps (3e-8) of weights below 0.5. Three blends move a weight by about 6e-6.
    assert torch.allclose(update.floats[0].double(), w, rtol=0, atol=2e-7), "blend and SGD"
    assert torch.allclose(net[0].weight.double(), w.abs().mean() * torch.sign(w), rtol=0, atol=2e-7), "projection"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", required=True)
    for name in ("batch", "side", "channels", "classes", "threads", "weight-bits", "activation-bits"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--layout", choices=["nchw", "channels-last"], required=True)
    parser.add_argument("--precision", choices=["f32", "bf16"], required=True)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--brevitas", action="store_true")
    a = parser.parse_args()
    if a.brevitas:
        try:
            import brevitas  # noqa: F401
        except ImportError as error:
            sys.exit(f"Brevitas is not installed here: {error}")
    if a.weight_bits not in (1, 32):
        sys.exit("this comparison knows 1 and 32 weight bits")
    answers = standard_output()
    torch.set_num_threads(a.threads)
    torch.set_num_interop_threads(1)
    self_check()
    torch.manual_seed(1)

    def activation():
        if a.activation_bits == 32:
            return nn.ReLU(inplace=True)
        return brevitas_activation(a.activation_bits) if a.brevitas else QuantizedReLU(a.activation_bits)

    net = network(a.network, a.classes, activation)
    all_taps, useful, first = work(net, a.channels, a.side)
    layout = torch.channels_last if a.layout == "channels-last" else torch.contiguous_format
    if a.brevitas and a.weight_bits < 32:
        net = brevitas_layers(net, a.weight_bits)
    net = net.to(memory_format=layout)
    x = torch.randn(a.batch, a.channels, a.side, a.side).to(memory_format=layout)
    labels = torch.arange(a.batch) % a.classes
    update = Update(net, 32 if a.brevitas else a.weight_bits)

    def loss_of(images):
        with torch.autocast("cpu", torch.bfloat16, enabled=a.precision == "bf16"):
            scores = net(images)
        return F.cross_entropy(scores.float(), labels)

    quantizers = [m for m in net.modules() if isinstance(m, QuantizedReLU)]
    for q in quantizers:
        q.calibrate = True
    with torch.no_grad():
        loss_of(x)
    for q in quantizers:
        q.calibrate = False
    step_loss = torch.compile(loss_of) if a.compile else loss_of

    def step():
        loss = step_loss(x)
        loss.backward()
        update()
        return loss.detach()

    step()  # compiles, if asked
    answer({"parameters": sum(p.numel() for p in net.parameters()), "multiply_adds": all_taps, "useful_multiply_adds": useful,
            "first_multiply_adds": first}, step, to=answers)


if __name__ == "__main__":
    main()
