# SPDX-License-Identifier: GPL-3.0-or-later
import copy
import json
import os
import subprocess

import numpy as np
import pytest

import bcgd
from bcgd.checkpoint import decode, encode
from bcgd.projection import project


def test_arrays_by_name(checkpoint_path):
    checkpoint = bcgd.read_checkpoint(checkpoint_path)
    assert checkpoint["conv1.weight"].shape == (16, 1, 3, 3) and checkpoint["conv1.weight"].dtype == np.float32
    assert checkpoint.classes[0] == "T-shirt/top" and checkpoint.run["recipe"]["weight_bits"] == 1 and checkpoint.state["batch"] == 0


def test_written_as_read(checkpoint_path, tmp_path):
    checkpoint = bcgd.read_checkpoint(checkpoint_path)
    checkpoint.write(tmp_path / "again.safetensors")
    again = bcgd.read_checkpoint(tmp_path / "again.safetensors")
    assert again.metadata == checkpoint.metadata and again.keys() == checkpoint.keys()
    assert all((again[n] == checkpoint[n]).all() for n in again)


def test_damaged_files_are_one_line(checkpoint_path, tmp_path):
    """Bits flipped in the header, bytes cut off: an Error of one line, or the checksum tells."""
    good, path, random = open(checkpoint_path, "rb").read(), tmp_path / "bad.safetensors", np.random.default_rng(3)
    header = int.from_bytes(good[:8], "little")
    for number in range(300):
        bad = bytearray(good)
        if number % 3 == 0:
            del bad[random.integers(len(bad)):]
        else:
            place = random.integers(8 + header if number % 3 == 1 else len(bad))
            bad[place] ^= 1 << random.integers(8)
        path.write_bytes(bad)
        with pytest.raises(bcgd.Error) as caught:
            bcgd.read_checkpoint(path)
        assert "\n" not in str(caught.value)


def test_half_precision_is_read():
    values = np.array([1.5, -2, 0.25], np.float32)
    data = encode({"a": values.astype(np.float16)}, {})
    assert (decode(data, "")[0]["a"] == values).all()
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    text = b'{"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}'
    assert (decode(len(text).to_bytes(8, "little") + text + bits.tobytes(), "")[0]["a"] == values).all()


@pytest.mark.parametrize("bits, top", [(1, 1), (2, 1), (3, 3), (4, 7)])
def test_projections_are_the_nearest(bits, top):
    """Against all scales of a fine grid: no other δ·q is nearer (one bit and two are exact; Lloyd's is a local optimum, so nearly)."""
    w = np.random.default_rng(bits).standard_normal(40).astype(np.float32)
    scales, integers = project(w.reshape(4, 10), {"bits": bits, "per_channel": False, "ternary": "exact", "lloyd_iterations": 100})
    assert integers.dtype == np.int8 and np.abs(integers).max() <= top
    distance = ((w - scales[0] * integers.ravel()) ** 2).sum()
    grid = np.linspace(0.01, 4, 4000)[:, None]
    nearest = np.where(w >= 0, 1, -1) if bits == 1 else np.clip(np.rint(w / grid), -top, top)
    best = ((w - grid * nearest) ** 2).sum(1).min()
    assert distance <= best * (1 + 1e-6 if bits <= 2 else 1.05)


def test_dorefa_of_zeros_is_no_number():
    """tanh(w) over its largest magnitude is 0/0 there, and a run that comes to it has diverged (Sources/Quantization/DoReFa.swift)."""
    scales, integers = project(np.array([[0, 0], [1, -1]], np.float32), {"quantizer": "dorefa-4", "per_channel": True})
    assert np.isnan(scales[0]) and scales[1] == np.float32(1 / 15) and integers.tolist() == [[0, 0], [15, -15]]


def test_foreign_metadata_are_refused(checkpoint_path, tmp_path):
    """With a right checksum."""
    for key, text in [("graph", '"x"'), ("graph", "[1]"), ("run", "[" * 100_000)]:
        checkpoint = bcgd.read_checkpoint(checkpoint_path)
        checkpoint.metadata[key] = text
        checkpoint.write(tmp_path / "foreign.safetensors")
        with pytest.raises(bcgd.Error):
            bcgd.read_checkpoint(tmp_path / "foreign.safetensors")


def test_the_modules_evaluation(checkpoint_path, digits, reproduce, tmp_path):
    torch = pytest.importorskip("torch")
    packed = str(tmp_path / "model.bcgd")
    subprocess.run([reproduce, "export", checkpoint_path, "-o", packed], check=True, capture_output=True)
    model = bcgd.load(packed)
    module = bcgd.to_torch(bcgd.read_checkpoint(checkpoint_path))
    x = torch.from_numpy(((digits / np.float32(255) - model.mean) / model.std).transpose(0, 3, 1, 2).astype(np.float32))
    with torch.no_grad():
        scores = module(x).numpy()
    differing = (scores.argmax(1) != model(digits).argmax(1)).sum()
    assert differing <= 2  # of 1000: levels next to a boundary may differ by one
    with torch.no_grad():
        assert module.bfloat16()(x[:8].bfloat16()).isfinite().all()
    module.float().train()
    module(x[:8]).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_from_torch_gives_what_can_be_packed(checkpoint_path, reproduce, tmp_path):
    pytest.importorskip("torch")
    checkpoint = bcgd.read_checkpoint(checkpoint_path)
    again = bcgd.from_torch(bcgd.to_torch(checkpoint).state_dict(), checkpoint.graph)
    assert set(again) == set(checkpoint) and all((again[n] == checkpoint[n]).all() for n in again if not n.endswith(".momentum"))
    kept = {name: array for name, array in checkpoint.items() if not name.endswith(".momentum")}
    weights = bcgd.Checkpoint(kept, {**checkpoint.metadata, "holds": "weights"})
    whole = bcgd.from_torch(bcgd.to_torch(weights).state_dict(), weights.graph)
    assert set(whole) == set(again) and "holds" not in whole.metadata  # so that training goes on from it
    again.write(tmp_path / "again.safetensors")
    for source, name in [(checkpoint_path, "a"), (str(tmp_path / "again.safetensors"), "b")]:
        subprocess.run([reproduce, "export", source, "-o", str(tmp_path / f"{name}.bcgd")], check=True, capture_output=True)
    a, b = (bcgd.load(tmp_path / f"{name}.bcgd") for name in "ab")
    for one, other in zip(a.layers, b.layers):
        assert (one.integer_weights == other.integer_weights).all()
        assert (one.a is None or (one.a == other.a).all()) and (one.b == other.b).all()


def test_a_run_goes_on_from_a_torch_module(checkpoint_path, reproduce, tmp_path):
    """Put in its run's place, the checkpoint is where training begins."""
    pytest.importorskip("torch")
    checkpoint = bcgd.read_checkpoint(checkpoint_path)
    if os.environ.get("BCGD_SLOW") is None:
        pytest.skip("trains an epoch: set BCGD_SLOW")
    again = bcgd.from_torch(bcgd.to_torch(checkpoint).state_dict(), checkpoint.graph)
    os.makedirs(tmp_path / "runs/checkpoints")
    again.write(tmp_path / "runs/checkpoints" / (checkpoint.run["name"] + ".safetensors"))
    said = subprocess.run([reproduce, "table1", "--protocol", "smoke", "--only", "resnet8-1w4a-bcgd", "--resume", "--out",
            str(tmp_path / "runs")],
                          capture_output=True, text=True, cwd=os.path.join(os.path.dirname(__file__), "..", ".."), timeout=600).stderr
    assert f"{checkpoint.run['name']}: going on from epoch 1, batch 1" in said


@pytest.mark.parametrize("change", ["training", "evaluation", "loading"])
def test_lagging_weights_until_they_change(checkpoint_path, change):
    """Where the evaluation lags, the stored integers count in evaluation, until the module is trained or other weights are loaded."""
    torch = pytest.importorskip("torch")
    checkpoint = bcgd.read_checkpoint(checkpoint_path)
    run = {**checkpoint.run, "recipe": {**checkpoint.run["recipe"], "evaluation": "lagged"}}
    checkpoint.metadata["run"] = json.dumps(run)
    lagged = bcgd.from_torch(bcgd.to_torch(checkpoint).state_dict(), checkpoint)
    name = next(name for name in lagged if name.endswith(".codes")).removesuffix(".weight.codes")
    lagged[name + ".weight.codes"] *= -1
    module = bcgd.to_torch(lagged)
    # A copy, whose weights are the same, and another place or type are no change.
    module = copy.deepcopy(module).double().float()
    layer, x = module.get_submodule(name), torch.zeros(2, *(checkpoint.graph["input"][side] for side in ("channels", "height", "width")))

    def signs():
        module.eval()(x)
        return layer.quantized_weight().detach().sign().numpy()

    assert (signs() == np.sign(lagged[name + ".weight.codes"])).all()
    if change == "training":
        module.train()(x)
    with torch.no_grad():
        other = {key: value.clone() for key, value in module.state_dict().items()}
        other[name + ".weight"] = -torch.rand_like(layer.weight)
        module.load_state_dict(other) if change == "loading" else layer.weight.copy_(other[name + ".weight"])
    assert (signs() == -1).all()


def test_deep_copies_compute_with_their_own_weights(checkpoint_path):
    torch = pytest.importorskip("torch")
    module = bcgd.to_torch(bcgd.read_checkpoint(checkpoint_path)).eval()
    other, x = copy.deepcopy(module), torch.randn(2, 1, 28, 28)
    before = module(x)
    with torch.no_grad():
        other.fc.bias += 1
        assert torch.equal(module(x), before) and torch.allclose(other(x), before + 1)


def test_names_of_wrappers_and_faults(checkpoint_path):
    pytest.importorskip("torch")
    checkpoint = bcgd.read_checkpoint(checkpoint_path)
    state = bcgd.to_torch(checkpoint).state_dict()
    with pytest.warns(UserWarning, match='begins with "module."'):
        wrapped = bcgd.from_torch({"module." + name: value for name, value in state.items()}, checkpoint.graph)
    assert (wrapped["fc.bias"] == checkpoint["fc.bias"]).all()
    lacking = {name: value for name, value in state.items() if name != "fc.bias"}
    lacking["x"] = state["fc.bias"]
    lacking["fc.weight"] = state["fc.weight"][:5]
    with pytest.raises(bcgd.Error, match=r"lacks fc.bias; it has the unknown x; "
                       r"it has another shape of fc.weight \[5, 64\], expected \[10, 64\]"):
        bcgd.from_torch(lacking, checkpoint.graph)
    with pytest.raises(bcgd.Error, match="not finite"):
        bcgd.from_torch({**state, "fc.bias": state["fc.bias"] * float("nan")}, checkpoint.graph)
    with pytest.raises(bcgd.Error, match="graph of a checkpoint"):
        bcgd.from_torch(state, json.loads("{}"))


def test_what_a_run_never_has_is_refused(checkpoint_path):
    """Step sizes beyond its limits; where batch norm is not affine, another scale than 1 and shift than 0, which the module keeps."""
    torch = pytest.importorskip("torch")
    checkpoint = bcgd.read_checkpoint(checkpoint_path)
    state = bcgd.to_torch(checkpoint).state_dict()
    name = next(name for name in state if name.endswith(".resolution"))
    least = checkpoint.run["recipe"]["resolution_minimum"]
    with pytest.raises(bcgd.Error, match=f"a step size beyond the run's limits: {name} is "):
        bcgd.from_torch({**state, name: np.array([least / 2])}, checkpoint.graph)
    rounded = bcgd.from_torch({**state, name: np.array([least * 0.999])}, checkpoint.graph)
    assert rounded[name] == np.float32(least)
    checkpoint.metadata["run"] = json.dumps({**checkpoint.run, "recipe": {**checkpoint.run["recipe"], "batch_norm_affine": False}})
    assert not any("bn1" in name for name, parameter in bcgd.to_torch(checkpoint).named_parameters() if parameter.requires_grad)
    norms = [name for name, _ in checkpoint.graph.layers("batchNorm")]
    plain = {**state, **{f"{norm}.{part}": torch.full_like(state[f"{norm}.{part}"], value)
                         for norm in norms for part, value in (("weight", 1), ("bias", 0))}}
    assert (bcgd.from_torch(plain, checkpoint.graph)[norms[0] + ".weight"] == 1).all()
    with pytest.raises(bcgd.Error, match=f"batch_norm_affine: false, so {norms[0]} must have the scale 1 and the shift 0"):
        bcgd.from_torch({**plain, norms[0] + ".bias": plain[norms[0] + ".bias"] + 0.5}, checkpoint.graph)


def test_dorefas_step_size_is_not_learned(checkpoint_path):
    """1/(2^b − 1) (its paper's equation 5): no parameter of the module, and no other number is taken."""
    pytest.importorskip("torch")
    checkpoint = bcgd.read_checkpoint(checkpoint_path)
    activations = [name + ".resolution" for name, settings in checkpoint.graph.layers("activation")]
    for _, settings in checkpoint.graph.layers("activation"):
        settings["_0"].clear()
        settings["_0"]["function"] = "dorefa-4"
    for name in activations:
        checkpoint[name] = np.array([1 / 15], np.float32)
    module = bcgd.to_torch(checkpoint)
    assert activations and not set(activations) & {name for name, _ in module.named_parameters()}
    state = module.state_dict()
    for rounded in (state, module.bfloat16().state_dict()):
        assert bcgd.from_torch(rounded, checkpoint.graph)[activations[0]] == np.float32(1 / 15)
    with pytest.raises(bcgd.Error, match=f"another step size than DoReFa's: {activations[-1]} is 0.125, expected 0.0666"):
        bcgd.from_torch({**state, activations[-1]: np.array([0.125])}, checkpoint.graph)
