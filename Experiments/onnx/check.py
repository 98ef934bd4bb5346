#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a packed model with its exported ONNX file, as ONNX Runtime runs it, on real CIFAR-10 test images.

    python3 Experiments/onnx/check.py model.bcgd --data data

Fails when a predicted class differs among the first 1000 images, or a score by more than the tolerance. The two round t
differently (f32 with folded weights against one fused multiply-add), so a level next to a boundary may differ by one, which
moves scores a little: --tolerance is for that. With --qonnx the QONNX file is run by the qonnx package as well, on 20 images.
"""
import argparse
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "benchmarks"))
from environment import PRODUCT, ROOT, VENV, build, fail, python_with  # noqa: E402

CHILD = r"""
import sys
import numpy as np, onnx, onnxruntime as ort
path, images, scores, count, tolerance, checker = sys.argv[1:7]
model = onnx.load(path)
facts = {p.key: p.value for p in model.metadata_props}
mean, std = (np.array([np.float32(v) for v in facts[k].split(",")]) for k in ("mean", "std"))
pixels = np.fromfile(images, np.uint8).reshape(int(count), 32, 32, 3)
floats = ((pixels.astype(np.float32) / np.float32(255) - mean) / std).transpose(0, 3, 1, 2).copy()
expected = np.fromfile(scores, np.float32).reshape(int(count), -1)
if checker == "qonnx":
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    from qonnx.transformation.infer_shapes import InferShapes
    wrapper = ModelWrapper(model).transform(InferShapes())
    found = np.concatenate([execute_onnx(wrapper, {"image": floats[i:i + 1]})["scores"] for i in range(len(floats))])
else:
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = np.concatenate([session.run(None, {"image": floats[i:i + 100]})[0] for i in range(0, len(floats), 100)])
difference = np.abs(found - expected).max(1)
classes = int((found.argmax(1) != expected.argmax(1)).sum())
print(f"{checker}: {classes} of {count} predicted classes differ; scores by at most {difference.max():.3g}, "
      f"by more than 1e-4 in {(difference > 1e-4).sum()} images")
sys.exit(int(classes > 0 or difference.max() > float(tolerance)))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="packed model of a network trained on CIFAR-10")
    parser.add_argument("--data", required=True, help="folder with test_batch.bin, or its parent")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--tolerance", type=float, default=0.02, help="of a score (default: %(default)s)")
    parser.add_argument("--qonnx", action="store_true")
    parser.add_argument("--venv", default=VENV)
    parser.add_argument("--pip-arguments", default="")
    options = parser.parse_args()
    batch = next((f for f in (os.path.join(options.data, d, "test_batch.bin") for d in ("", "cifar-10-batches-bin")) if os.path.exists(f)), None)
    if batch is None:
        fail(f"there is no test_batch.bin in {options.data}")
    modules = ["onnx", "onnxruntime"] + (["qonnx"] if options.qonnx else [])
    python, _ = python_with(modules, options.venv, options.pip_arguments)
    for product in ("benchmark-step", "reproduce"):
        build(product)
    with open(batch, "rb") as file:
        records = file.read(3073 * options.count)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for form, checker, count in [("float", "onnxruntime", options.count)] + ([("qonnx", "qonnx", 20)] if options.qonnx else []):
            images, scores, graph = (os.path.join(folder, name) for name in ("images", "scores", f"{form}.onnx"))
            with open(images, "wb") as file:
                for i in range(count):
                    planes = records[3073 * i + 1:3073 * (i + 1)]
                    file.write(bytes(planes[1024 * (k % 3) + k // 3] for k in range(3072)))
            with open(images, "rb") as source, open(scores, "wb") as target:
                subprocess.run([PRODUCT, "scores", options.model], stdin=source, stdout=target, check=True)
            subprocess.run([os.path.join(ROOT, ".build", "release", "reproduce"), "export", options.model, "-o", graph, "--form", form],
                           check=True, stdout=subprocess.DEVNULL)
            bad |= subprocess.run([python, "-c", CHILD, graph, images, scores, str(count), str(options.tolerance), checker]).returncode
    sys.exit(bad)


if __name__ == "__main__":
    main()
