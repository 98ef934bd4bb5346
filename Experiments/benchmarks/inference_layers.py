# SPDX-License-Identifier: GPL-3.0-or-later
"""What the peers with file formats of their own share: the layers of an exported ONNX file (form `unrounded`), its scores and ranges by
ONNX Runtime."""
from dataclasses import dataclass

import numpy as np

CALIBRATION = 32  # images of noise, as many as ONNX Runtime's quantization takes
# How far scores of a converted network may be from the float one's, as a part of the largest. int8: only another function is as far off.
FLOAT_TOLERANCE, INT8_TOLERANCE = 1e-3, 0.3


@dataclass
class Layer:
    """y = conv(x), max_pool(x), x[0] + scale * x[1], mean(x) or dense(x), then ReLU if `relu`; weights [out, in, height, width]."""
    kind: str
    inputs: list
    output: str
    relu: bool = False
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    stride: int = 1
    padding: int = 0
    size: int = 1
    scale: float = 1.0


def layers(path):
    """The shape [channels, height, width] of an image, and the layers in order; ReLU and a shortcut's factor are parts of others."""
    import onnx
    graph = onnx.load(path).graph
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim][1:]
    channels, factors, made = {graph.input[0].name: shape[0]}, {}, []
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        source, output = node.input[0], node.output[0]
        match node.op_type:
            case "Conv" | "Gemm":
                weight, bias = constants[node.input[1]], constants[node.input[2]]
                made.append(Layer("conv" if node.op_type == "Conv" else "dense", [source], output, weight=weight, bias=bias,
                    size=weight.shape[-1], stride=attributes.get("strides", [1])[0], padding=attributes.get("pads", [0])[0]))
                channels[output] = len(weight)
            case "MaxPool":
                made.append(Layer("pool", [source], output, size=attributes["kernel_shape"][0], stride=attributes["strides"][0],
                    padding=attributes["pads"][0]))
                channels[output] = channels[source]
            case "Slice":  # a 1x1 convolution by the identity, which the next Pad widens: one layer that both engines have
                width = channels[output] = channels[source]
                made.append(Layer("conv", [source], output, weight=np.eye(width, dtype=np.float32)[:, :, None, None],
                    bias=np.zeros(width, np.float32), stride=int(constants[node.input[4]][0])))
            case "Pad":
                margin = int(constants[node.input[1]][1])
                made[-1].weight = np.pad(made[-1].weight, ((margin, margin), (0, 0), (0, 0), (0, 0)))
                made[-1].bias, made[-1].output = np.pad(made[-1].bias, margin), output
                channels[output] = channels[source] + 2 * margin
            case "Mul":
                factors[output] = source, constants[node.input[1]].item()
                channels[output] = channels[source]
            case "Add":
                shortcut, scale = factors.get(node.input[1], (node.input[1], 1.0))
                made.append(Layer("sum", [source, shortcut], output, scale=scale))
                channels[output] = channels[source]
            case "Relu":
                made[-1].relu, made[-1].output = True, output
                channels[output] = channels[source]
            case "GlobalAveragePool": made.append(Layer("mean", [source], output))
            case "Flatten": made[-1].output = output
            case other: raise SystemExit(f"error: the exporter writes no {other}")
    return shape, made


def images(count, shape):
    return np.random.default_rng(1).standard_normal([count, *shape], dtype=np.float32)


def run_by_onnxruntime(path, pictures, names=("scores",)):
    """The named values of the float network for `pictures`."""
    import onnx
    import onnxruntime as ort
    model = onnx.load(path)
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in known)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(list(names), {"image": pictures})


def require_same(path, pictures, scores, tolerance):
    """Refuses a converted network whose scores leave those of ONNX Runtime's float network, as a part of their largest."""
    expected = run_by_onnxruntime(path, pictures)[0]
    off = np.abs(scores - expected).max() / np.abs(expected).max()
    if not off <= tolerance:
        raise SystemExit(f"error: the converted network computes another function: scores differ by {off:.2g} of the largest, "
                         f"at most {tolerance:g} is allowed")
