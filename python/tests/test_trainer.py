# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments/pytorch/train.py, the second implementation: against the committed vectors, and side by side with `reproduce`."""
import glob
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import bcgd
from bcgd.checkpoint import decode
from conftest import ROOT

torch = pytest.importorskip("torch")
sys.path.insert(0, os.path.join(ROOT, "Experiments", "pytorch"))
import bcgd_step  # noqa: E402
import images  # noqa: E402
import train  # noqa: E402
from bcgd.modules import Network, QuantizedReLU  # noqa: E402
from bcgd.projection import project as numpy_project  # noqa: E402


def vectors(name):
    path = os.path.join(ROOT, "Tests/BackendsTests/Vectors", name + ".safetensors")
    with open(path, "rb") as file:
        return decode(file.read(), path)


def difference(found, expected):
    """max |a − b| / max |b|."""
    found, expected = np.asarray(found, np.float64).reshape(-1), np.asarray(expected, np.float64).reshape(-1)
    return np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30)


def test_random_numbers_are_philox():
    """Random123's kat_vectors, philox4x32 10."""
    ones, pi = 2 ** 64 - 1, (0x85A308D3243F6A88, 0x0370734413198A2E, 0x299F31D0A4093822)
    for seed, stream, block, words in [(0, 0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
                                       (ones, ones, ones, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
                                       (pi[2], pi[1], pi[0], (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1))]:
        found = images.philox(seed, stream, block)
        assert found.tolist() == [words[0] | words[1] << 32, words[2] | words[3] << 32]


@pytest.mark.parametrize("name", ["qrelu_1bit", "qrelu_2bit", "qrelu_4bit", "qrelu_1bit_steps", "qrelu_2bit_steps", "qrelu_4bit_steps"])
def test_coarse_derivatives(name):
    arrays, metadata = vectors(name)
    for dtype, bound in [(torch.float64, 1e-6), (torch.float32, 1e-6)]:  # sums of 200 numbers, stored as f32
        for rule in ("three-valued", "almost-everywhere", "two-valued", "minimum"):
            for derivative in ("clipped-relu", "relu", "identity"):
                x, alpha = (torch.tensor(arrays[key], dtype=dtype, requires_grad=True) for key in ("x", "alpha"))
                y = QuantizedReLU.apply(x, alpha, int(metadata["bits"]), derivative, rule)
                y.backward(torch.tensor(arrays["dy"], dtype=dtype))
                assert difference(y.detach(), arrays["y"]) < bound and difference(x.grad, arrays["dx." + derivative]) < bound
                assert difference(alpha.grad, arrays["dalpha." + rule]) < bound


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("per_channel", [False, True])
def test_projections_are_those_of_the_package(bits, per_channel):
    """Which restates the suite's in NumPy: the same integers, scales to the last bit but for the order of sums in f64."""
    weights = np.random.default_rng(bits).standard_normal((8, 50)).astype(np.float32)
    weights[0, :3] = 0
    settings = {"bits": bits, "per_channel": per_channel, "ternary": "exact", "lloyd_iterations": 100}
    scales, integers = bcgd_step.project(torch.from_numpy(weights), settings)
    expected_scales, expected = numpy_project(weights, settings)
    assert (integers.numpy() == expected).all() and difference(scales, expected_scales) < 1e-7
    zeros, none = bcgd_step.project(torch.zeros(4, 3), settings)
    assert (zeros == 0).all() and (bits == 1 or (none == 0).all())


def tiny_network(arrays):
    """The graph of the network in Tests/BackendsTests/pytorch, and its tensors by the names that modules have."""
    weights = {"bits": 1, "per_channel": False, "ternary": "exact", "lloyd_iterations": 100}
    nodes = []

    def add(name, inputs, **operation):
        nodes.append({"name": name, "inputs": inputs, "operation": operation})
        return len(nodes) - 1

    def convolution(name, source, channels, stride):
        shape = {"channels": channels, "kernel": 3, "stride": stride, "padding": 1, "hasBias": False}
        return add(name, [source], convolution={**shape, "weights": weights})

    def activation(name, source):
        rule = {"input_derivative": "clipped-relu", "resolution_derivative": "three-valued"}
        return add(name, [source], activation={"_0": {"function": "quantized-relu", "bits": 4, **rule}})

    last = activation("stem.alpha", add("stem.bn", [convolution("stem.conv", -1, 4, 1)], batchNorm={}))
    for name, channels, stride in [("block1", 4, 1), ("block2", 8, 2)]:
        y = activation(name + ".alpha1", add(name + ".bn1", [convolution(name + ".conv1", last, channels, stride)], batchNorm={}))
        y = add(name + ".bn2", [convolution(name + ".conv2", y, channels, 1)], batchNorm={})
        y = add("", [y, last], add={"_0": {"subsampled": {"stride": stride}} if stride > 1 else {"identity": {}}})
        last = activation(name + ".alpha2", y)
    add("linear", [add("", [last], meanPool={})], linear={"outputs": 5, "weights": weights})
    metadata = {"run": json.dumps({"recipe": {}}), "graph": json.dumps({"input": {"height": 5, "width": 5, "channels": 3}, "nodes": nodes})}
    graph = bcgd.checkpoint.Graph(SimpleNamespace(metadata=metadata, path="", state={}))
    parts = ("stem", "block1", "block2", "linear")
    names = {own_name(name): name for name in arrays if name.split(".")[0] in parts and "levels" not in name}
    return Network(graph, {own: torch.tensor(arrays[name]) for own, name in names.items()}).double(), names


def own_name(name):
    name = name.replace(".gamma", ".weight").replace(".beta", ".bias")
    return name + ".resolution" if name.split(".")[-1].startswith("alpha") else name


@pytest.mark.parametrize("name", ["bcgd_paper", "bcgd_strong"])
def test_five_steps_are_those_of_the_vectors(name):
    """In f64: what five steps of BCGD make of a residual network's weights, statistics and step sizes."""
    arrays, metadata = vectors(name)
    module, names = tiny_network(arrays)
    settings = {"blending": "blend", "rate": "learning_rate", "momentum": "momentum", "weight_decay": "weight_decay",
                "resolution_rate_factor": "alpha_rate_factor"}
    recipe = {"method": "bcgd", "resolution_minimum": 1e-9, **{key: float(metadata[name]) for key, name in settings.items()}}
    descent = bcgd_step.Descent(module, recipe)
    module.train()
    for x, labels, expected in zip(arrays["x"], arrays["labels"], arrays["loss"]):
        scores = module(torch.tensor(x, dtype=torch.float64).permute(0, 3, 1, 2))
        loss = torch.nn.functional.cross_entropy(scores, torch.tensor(labels).long())
        assert abs(loss.item() - expected) < 1e-6 * abs(expected)  # stored as f32
        module.zero_grad()
        loss.backward()
        descent.step(recipe["rate"])
    found = module.state_dict()
    for own, name in names.items():
        assert difference(found[own].numpy(), arrays["final." + name]) < 2e-7, name


@pytest.fixture(scope="module")
def side_by_side(reproduce, digits, tmp_path_factory):
    """`reproduce` on a protocol of one epoch, and the images of Fashion-MNIST: call it with options, in the package's folder."""
    folder = tmp_path_factory.mktemp("side")
    shutil.copytree(os.path.join(ROOT, "Experiments"), folder / "experiments")
    epochs = "{ epochs: 1, milestones: [] }"
    (folder / "experiments/protocols/smoke.yaml").write_text(f"float: {epochs}\nquantized: {epochs}\n")

    def run(*options, command=None):
        words = command or ["table1", "--protocol", "smoke", "--only", "resnet8-1w4a-bcgd", "--precision", "f32", "--threads", "1",
                            "--experiments", str(folder / "experiments"), "--out", str(folder / "out")]
        here = {name: value for name, value in os.environ.items() if name != "BCGD_DATA"}  # which would name CIFAR-10
        return subprocess.run([reproduce, *words, *options], cwd=ROOT, env=here, check=True, capture_output=True, text=True).stderr

    def path(name):
        return str(folder / f"out/checkpoints/fashion-mnist-{name}-smoke-seed1.safetensors")

    return SimpleNamespace(reproduce=run, folder=folder, path=path)


def at_its_end(run, path):
    """As if all of the epoch's steps had been made: what is left is the evaluation, which is the suite's."""
    run.state["batch"] = run.batches
    run.save(path)


def differences(run, checkpoint):
    """||a − b|| / ||b|| of all tensors of a kind, and the relative difference of the loss so far."""
    squares = {}
    for name, expected in checkpoint.items():
        kind = next((kind for kind in ("momentum", "resolution", "running_mean", "running_var") if name.endswith(kind)), "weights")
        kind = "statistics" if kind.startswith("running") else kind
        a, b = squares.get(kind, (0, 0))
        found = run.arrays()[name].astype(np.float64)
        squares[kind] = a + ((found - expected) ** 2).sum(), b + (expected.astype(np.float64) ** 2).sum()
    loss = abs(run.state["lossSum"] / checkpoint.state["lossSum"] - 1)
    return {"loss": loss, **{kind: (a / b) ** 0.5 for kind, (a, b) in squares.items() if b}}


# ‖a − b‖ / ‖b‖ after so many steps. Rounding moves single levels, and each others behind it: much in a network that has hardly learned,
# little in one that has. Found from the README's float run: loss 1e-7 and 1e-8, weights 5e-8 and 4e-7, momenta 2e-5 and 3e-6, statistics
# 6e-8 and 2e-7, step sizes 0 and 6e-8; from one of ten steps (PyTorch in f64) a thousand times as much.
BOUNDS = {True: {1: {"loss": 1e-5, "resolution": 1e-5, "weights": 1e-5, "momentum": 1e-2, "statistics": 1e-5},
                 10: {"loss": 1e-3, "resolution": 1e-4, "weights": 1e-3, "momentum": 5e-2, "statistics": 1e-3}},
          False: {1: {"loss": 1e-3, "resolution": 1e-5, "weights": 1e-4, "momentum": 0.05, "statistics": 1e-3},
                  10: {"loss": 2e-2, "resolution": 1e-3, "weights": 5e-3, "momentum": 0.4, "statistics": 2e-2}}}


def test_side_by_side(side_by_side):
    """The same run by both, from the README's float run where it is there, else from ten steps by PyTorch."""
    torch.set_num_threads(1)
    side_by_side.reproduce("--stop-after", "0")
    path = side_by_side.path("resnet8-float")
    checkpoint = bcgd.read_checkpoint(path)
    pictures = train.load_images(checkpoint, None, torch.device("cpu"))
    run = train.Run(checkpoint, pictures, "cpu", engine="pytorch TEST")
    trained = sorted(glob.glob(os.path.join(ROOT, "runs/checkpoints/fashion-mnist-resnet8-float-smoke-seed1*.safetensors")))
    if trained:
        run = train.Run(bcgd.Checkpoint(bcgd.read_checkpoint(trained[0]), checkpoint.metadata), pictures, "cpu", engine="pytorch TEST")
    run.train(1 if trained else 10)
    at_its_end(run, path)
    said = side_by_side.reproduce("--resume", "--stop-after", "0")
    assert "resnet8-1w4a-bcgd-smoke-seed1: from the weights of fashion-mnist-resnet8-float-smoke-seed1" in said
    row = bcgd.results(str(side_by_side.folder / "out")) if pandas() else None
    assert row is None or row["how"][0].startswith("engine: pytorch TEST; then swift run")

    path = side_by_side.path("resnet8-1w4a-bcgd")
    run = train.Run(bcgd.read_checkpoint(path), pictures, "cpu", engine="pytorch TEST")
    for steps, bounds in BOUNDS[bool(trained)].items():
        run.train(steps - run.state["batch"])
        side_by_side.reproduce("--resume", "--stop-after", str(steps - bcgd.read_checkpoint(path).state["batch"]))
        checkpoint = bcgd.read_checkpoint(path)
        found = differences(run, checkpoint)
        assert all(found[kind] < bound for kind, bound in bounds.items()), (steps, found)
        assert abs(run.state["changes"] - checkpoint.state["changes"]) <= 0.02 * checkpoint.state["changes"] + 2

    run.forward = wrongly_compiled(run.module)
    with pytest.raises(bcgd.Error, match="gradients of a compiled step are not those of PyTorch's own.*leave out --compile"):
        run.train(1)

    at_its_end(run, path)
    side_by_side.reproduce("--resume")
    out, model = str(side_by_side.folder / "out"), str(side_by_side.folder / "model.bcgd")
    side_by_side.reproduce(command=["evaluate", path, "--threads", "1", "--out", out])
    side_by_side.reproduce(command=["export", path, "-o", model])
    assert bcgd.load(model).provenance.endswith("engine: pytorch TEST")


def test_goes_on_from_the_suite(side_by_side, tmp_path):
    """With the images that the run was begun with, one trainer at a time; the engines' names add up, and no count of the suite's steps
    alone is kept."""
    side_by_side.reproduce(command=[
        "table1", "--protocol", "smoke", "--only", "resnet8-float", "--precision", "f32", "--threads", "1", "--experiments",
        str(side_by_side.folder / "experiments"), "--out", str(tmp_path / "out"), "--stop-after", "2"])
    path = str(tmp_path / "out/checkpoints/fashion-mnist-resnet8-float-smoke-seed1.safetensors")
    checkpoint = bcgd.read_checkpoint(path)
    pictures = train.load_images(checkpoint, None, torch.device("cpu"))
    assert checkpoint.state["data"].endswith(", checksum " + pictures.checksum())
    checkpoint.state["data"] = checkpoint.state["data"][:-8] + "00000000"
    with pytest.raises(bcgd.Error, match="holds other images than .* expected 00000000"):
        train.load_images(checkpoint, None, torch.device("cpu"))

    held = train.lock(path)
    with pytest.raises(bcgd.Error, match="is being trained by process"):
        train.lock(path)
    held.close()
    checkpoint = bcgd.read_checkpoint(path)
    checkpoint.state.update(layerChanges=[1], replaced=2)
    run = train.Run(checkpoint, pictures, "cpu", engine="pytorch A")
    run.train(1)
    assert "layerChanges" not in run.state
    record = run.close_epoch()
    assert record["replaced"] == 2 and "replaced" not in run.state
    run.save(path)
    assert train.Run(bcgd.read_checkpoint(path), pictures, "cpu", engine="pytorch B").state["engine"] == "pytorch A; then pytorch B"
    checkpoint.run["recipe"]["weight_quantizer"] = "lsq"
    with pytest.raises(bcgd.Error, match="weight_quantizer: expected"):
        train.Run(checkpoint, pictures, "cpu")


def test_names_of_imagenets_files(tmp_path):
    """As in ImageNetTests.swift: what one of the two programs began the other goes on with."""
    for wnid in ("n01440764", "n02102040", "n03888257"):
        for split in ("train", "val"):
            (tmp_path / split / wnid).mkdir(parents=True)
        for image in range(10):
            (tmp_path / "train" / wnid / f"{wnid}_{image}.JPEG").touch()
    pictures = images.ImageNetFiles(str(tmp_path), {"image_size": 32, "flip": True}, 1, torch.device("cpu"))
    assert pictures.checksum() == "02a8bedd"


class OtherImages(torch.autograd.Function):
    """x, with the gradient of another image."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient.flip(0)


def wrongly_compiled(module):
    """The module, whose gradients go wrong at its last convolution's input."""
    last = [layer for layer in module.modules() if getattr(layer, "kind", None) == "convolution"][-1]
    right = last.forward

    def forward(x):
        last.forward = lambda x: right(OtherImages.apply(x))
        try:
            return module(x)
        finally:
            last.forward = right
    return forward


def pandas():
    try:
        import pandas  # noqa: F401
    except ImportError:
        return False
    return True
