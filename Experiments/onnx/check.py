#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a packed model with its exported ONNX files, as other programs run them, on real images.

    python3 Experiments/onnx/check.py model.bcgd --images images.u8      # bytes [N, H, W, C] of the model's size
    python3 Experiments/onnx/check.py model.bcgd --data data             # CIFAR-10's test images

ONNX Runtime and OpenVINO run the float form and QCDQ with weights of 8 bits, 4 bits and packed; with --qonnx the qonnx package runs
the QONNX form on --qonnx-count images. Fails when a predicted class differs, or the scores of more than two images in a
hundred by more than 1e-4: programs that round t differently than one fused multiply-add may
now and then get a level next to a boundary wrong by one.
"""
import argparse
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "benchmarks"))
from environment import PRODUCT, ROOT, VENV, build, fail, python_with  # noqa: E402

CHILD = r"""
import sys
import numpy as np, onnx
path, images, scores, checker = sys.argv[1:5]
model = onnx.load(path)
facts = {p.key: p.value for p in model.metadata_props}
mean, std = (np.array([np.float32(v) for v in facts[k].split(",")]) for k in ("mean", "std"))
channels, height, width = (d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:])
pixels = np.fromfile(images, np.uint8).reshape(-1, height, width, channels)
floats = ((pixels.astype(np.float32) / np.float32(255) - mean) / std).transpose(0, 3, 1, 2).copy()
expected = np.fromfile(scores, np.float32).reshape(len(pixels), -1)
batches = [floats[i:i + 50] for i in range(0, len(floats), 50)]
if checker == "qonnx":
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    wrapper = ModelWrapper(model).transform(InferShapes())
    found = [execute_onnx(wrapper, {"image": floats[i:i + 1]})["scores"] for i in range(len(floats))]
elif checker == "openvino":
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = [compiled(batch)[0] for batch in batches]
else:
    import onnxruntime as ort
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = [session.run(None, {"image": batch})[0] for batch in batches]
difference = np.abs(np.concatenate(found) - expected).max(1)
classes = int((np.concatenate(found).argmax(1) != expected.argmax(1)).sum())
print(f"{checker}: {classes} of {len(pixels)} predicted classes differ; scores by at most {difference.max():.3g}, "
      f"by more than 1e-4 in {(difference > 1e-4).sum()} images", flush=True)
sys.exit(int(classes > 0 or (difference > 1e-4).mean() > 0.02))
"""


def cifar(folder, count):
    batch = next((f for f in (os.path.join(folder, d, "test_batch.bin") for d in ("", "cifar-10-batches-bin")) if os.path.exists(f)), None)
    if batch is None:
        fail(f"there is no test_batch.bin in {folder}")
    with open(batch, "rb") as file:
        records = file.read(3073 * count)
    return bytes(records[3073 * i + 1 + 1024 * (k % 3) + k // 3] for i in range(count) for k in range(3072))


def first_images(pixels, count, model):
    """The bytes of so many images of the packed model's size (Documentation/packed-format.md)."""
    with open(model, "rb") as file:
        height, width, channels = struct.unpack("<3I", file.read(44)[32:])
    return pixels[:count * height * width * channels]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="packed model")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--images", help="file of bytes [N, H, W, C]")
    source.add_argument("--data", help="folder with CIFAR-10's test_batch.bin, or its parent")
    parser.add_argument("--count", type=int, default=1000, help="of --data")
    parser.add_argument("--qonnx", action="store_true")
    parser.add_argument("--qonnx-count", type=int, default=20)
    parser.add_argument("--engines", default="onnxruntime,openvino")
    parser.add_argument("--venv", default=VENV)
    parser.add_argument("--pip-arguments", default="")
    options = parser.parse_args()
    engines = [name for name in options.engines.split(",") if name]
    python, _ = python_with(["onnx"] + engines + (["qonnx"] if options.qonnx else []), options.venv, options.pip_arguments)
    for product in ("benchmark-step", "reproduce"):
        build(product)
    pixels = open(options.images, "rb").read() if options.images else cifar(options.data, options.count)
    trials = [(form, weights, engine) for form, weights in [("float", None), ("qcdq", "int8"), ("qcdq", "int4"), ("qcdq", "packed")]
            for engine in engines]
    trials += [("qonnx", None, "qonnx")] if options.qonnx else []
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for form, weights, engine in trials:
            images, scores, graph = (os.path.join(folder, name) for name in ("images", "scores", f"{form}.onnx"))
            subprocess.run([os.path.join(ROOT, ".build", "release", "reproduce"), "export", options.model, "-o", graph, "--form", form]
                           + (["--weights", weights] if weights else []), check=True, stdout=subprocess.DEVNULL)
            part = first_images(pixels, options.qonnx_count, options.model) if engine == "qonnx" else pixels
            with open(images, "wb") as file:
                file.write(part)
            with open(images, "rb") as source, open(scores, "wb") as target:
                subprocess.run([PRODUCT, "scores", options.model], stdin=source, stdout=target, check=True)
            print(f"{form}{' ' + weights if weights else ''}, {os.path.getsize(graph)} bytes, ", end="", flush=True)
            bad |= subprocess.run([python, "-c", CHILD, graph, images, scores, engine]).returncode
    sys.exit(bad)


if __name__ == "__main__":
    main()
