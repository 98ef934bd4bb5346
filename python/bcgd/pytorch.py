# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints and PyTorch modules. PyTorch is imported when a function is called."""
import warnings

import numpy as np

from .checkpoint import Checkpoint, Graph, canonical
from .error import Error
from .projection import project

PREFIXES = ("module.", "model.")


def to_torch(checkpoint):
    """A torch.nn.Module with the checkpoint's weights and the same evaluation in f32, in evaluation mode.

    It takes normalised images [N, C, H, W] and gives scores [N, classes]; levels next to a boundary may differ by one, as sums are
    rounded in another order. Names in its state_dict are the checkpoint's. Gradients go straight through the weights' quantizers: they
    are those of the quantized ones. A quantized ReLU has the coarse derivatives of its run, other activations those of clipping.
    """
    import torch

    from .modules import Network

    if checkpoint.graph is None:
        raise Error(f"{checkpoint.path} is of a version that kept no network")
    network = Network(checkpoint.graph, {name: torch.from_numpy(np.array(array)) for name, array in checkpoint.items()})
    return network.eval()


def from_torch(state_dict, graph):
    """A checkpoint with the weights of a state_dict, at the start of the run that `graph` is of: write it to that run's place,
    OUT/checkpoints/NAME.safetensors, and `--resume` trains on from it; `reproduce export` packs it as it is.

    graph: of the checkpoint of such a run (`checkpoint.graph`, or the checkpoint): names and shapes must be its.
    """
    graph = graph.graph if isinstance(graph, Checkpoint) else graph
    if not isinstance(graph, Graph):
        raise Error("expected the graph of a checkpoint, as `bcgd.read_checkpoint(path).graph` gives it")
    given = {name: np.array(value.detach().cpu().float().numpy() if hasattr(value, "detach") else value, np.float32)
             for name, value in _own_names(state_dict).items() if not name.endswith(".num_batches_tracked")}
    given = {name.replace(".weight_resolution", ".weight.resolution"): value for name, value in given.items()}
    parameters, statistics = _tensors(graph)
    wanted = {**parameters, **statistics}
    faults = [("lacks", sorted(set(wanted) - set(given))), ("has the unknown", sorted(set(given) - set(wanted))),
              ("has another shape of", sorted(f"{name} {list(given[name].shape)}, expected {list(shape)}" for name, shape in wanted.items()
                                              if name in given and given[name].shape != shape))]
    faults = [f"{what} {', '.join(names[:5])}{f' and {len(names) - 5} more' if len(names) > 5 else ''}" for what, names in faults if names]
    if faults:
        raise Error("the state_dict does not hold the weights of this network: it " + "; it ".join(faults))
    for name, value in given.items():
        if not np.isfinite(value).all() or name.endswith(".running_var") and (value < 0).any() or \
                name.endswith(".resolution") and (value <= 0).any():
            raise Error(f"the state_dict holds no usable weights: {name} has a number that is not finite, a variance "
                        "below 0, or a step size that is not above 0")
    _check_learned(given, graph)
    arrays = dict(given)
    for name in parameters:
        for state in ["momentum"] + (["second_moment"] if graph.recipe.get("optimizer") == "adam" else []):
            arrays[f"{name}.{state}"] = np.zeros_like(given[name])
    if graph.recipe.get("evaluation") == "lagged":
        for name, settings in graph.layers("convolution", "linear"):
            if settings.get("weights"):
                arrays[f"{name}.weight.scales"], arrays[f"{name}.weight.codes"] = project(
                    given[f"{name}.weight"], settings["weights"], given.get(f"{name}.weight.resolution"))
    state = {"epoch": 0, "batch": 0, "lossSum": 0, "hits": 0, "images": 0, "seconds": 0, "curve": []}
    state.update({key: graph.state[key] for key in ("data", "threads") if key in graph.state})
    # A file of weights alone says so; here is what training goes on with.
    metadata = {key: value for key, value in graph.metadata.items() if key != "holds"}
    return Checkpoint(arrays, {**metadata, "state": canonical(state)})


def _check_learned(given, graph):
    """Refuses what the run never has; step sizes that a module in bfloat16 has rounded beyond a limit go back to it."""
    least, most = np.float32(graph.recipe.get("resolution_minimum", 0)), np.float32(graph.recipe.get("resolution_maximum", np.inf))
    limits = {name: (least, most) for name in given if name.endswith(".resolution")}
    for name, settings in graph.layers("activation"):
        function, _, bits = settings["_0"]["function"].partition("-")
        if function == "dorefa":
            fixed = np.float32(1) / np.float32(2 ** int(bits) - 1)
            limits[name + ".resolution"] = fixed, fixed
    for name, (least, most) in limits.items():
        kept = np.clip(given[name], least, most)
        beyond = given[name][abs(kept / given[name] - 1) > 2 ** -8]
        if len(beyond):
            expected = "another step size than DoReFa's" if least == most else "a step size beyond the run's limits"
            raise Error(f"the state_dict has {expected}: {name} is {beyond[0]}, expected {least}"
                        + (f" to {most}" if most > least else ""))
        given[name] = kept
    if not graph.recipe.get("batch_norm_affine", True):
        for name, _ in graph.layers("batchNorm"):
            if (given[name + ".weight"] != 1).any() or (given[name + ".bias"] != 0).any():
                raise Error(f"the run has batch_norm_affine: false, so {name} must have the scale 1 and the shift 0, and the state_dict "
                            "has others: to_torch leaves them out of training")


def _own_names(state_dict):
    names = dict(state_dict)
    for prefix in PREFIXES:
        if names and all(name.startswith(prefix) for name in names):
            warnings.warn(f'every name begins with "{prefix}", as wrappers of PyTorch\'s write them: it was taken off', stacklevel=3)
            names = {name[len(prefix):]: value for name, value in names.items()}
    return names


def _tensors(graph):
    """Shapes of parameters and of running statistics by name."""
    parameters, statistics, shapes = {}, {}, []
    image = graph["input"]
    for node, (kind, settings) in zip(graph["nodes"], graph.operations):
        name, source = node["name"], node["inputs"][0]
        channels, height, width = shapes[source] if source >= 0 else (image["channels"], image["height"], image["width"])
        quantization = settings.get("weights")
        if kind in ("convolution", "linear"):
            outputs = settings["channels"] if kind == "convolution" else settings["outputs"]
            shape = (outputs, channels) + (settings["kernel"],) * 2 if kind == "convolution" else (outputs, channels * height * width)
            parameters[name + ".weight"] = shape
            if quantization and quantization.get("quantizer", "").startswith("lsq"):
                parameters[name + ".weight.resolution"] = (outputs if quantization["per_channel"] else 1,)
            if kind == "linear" or settings["hasBias"]:
                parameters[name + ".bias"] = (outputs,)
            channels, height, width = outputs, *((1, 1) if kind == "linear" else (
                (side + 2 * settings["padding"] - settings["kernel"]) // settings["stride"] + 1 for side in (height, width)))
        elif kind == "batchNorm":
            for tensors, part in [(parameters, "weight"), (parameters, "bias"), (statistics, "running_mean"), (statistics, "running_var")]:
                tensors[f"{name}.{part}"] = (channels,)
        elif kind == "activation" and settings["_0"]["function"] != "relu":
            parameters[name + ".resolution"] = (1,)
        elif kind == "maxPool":
            height, width = ((side + 2 * settings["padding"] - settings["window"]) // settings["stride"] + 1 for side in (height, width))
        elif kind == "meanPool":
            height = width = 1
        shapes.append((channels, height, width))
    return parameters, statistics
