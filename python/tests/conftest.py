# SPDX-License-Identifier: GPL-3.0-or-later
import glob
import os
import subprocess

import numpy as np
import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


@pytest.fixture(scope="session")
def model_path():
    """ResNet-20 1W4A of CIFAR-10, which is committed."""
    return os.path.join(ROOT, "results/models/cifar-10-resnet20-1w4a-bcgd-short-seed1.bcgd")


@pytest.fixture(scope="session")
def reproduce():
    path = os.path.join(ROOT, ".build/release/reproduce")
    if not os.path.exists(path):
        pytest.skip("no .build/release/reproduce: build it first")
    return path


@pytest.fixture(scope="session")
def checkpoint_path():
    """Of Fashion-MNIST, as the README's first command leaves it, or the one that BCGD_CHECKPOINT names."""
    found = [os.environ.get("BCGD_CHECKPOINT", "")] + glob.glob(os.path.join(ROOT,
            "runs/checkpoints/fashion-mnist-resnet8-1w4a-bcgd-smoke-seed1*.safetensors"))
    found = [path for path in found if os.path.exists(path)]
    if not found:
        pytest.skip("no checkpoint: run the README's first command, or name one of Fashion-MNIST by BCGD_CHECKPOINT")
    return found[0]


@pytest.fixture(scope="session", params=["committed", "exported"])
def any_model_path(request, tmp_path_factory):
    """Version 1 of the packed format, as committed; version 2, as a checkpoint is exported today."""
    if request.param == "committed":
        return request.getfixturevalue("model_path")
    path = str(tmp_path_factory.mktemp("exported") / "model.bcgd")
    subprocess.run([request.getfixturevalue("reproduce"), "export", request.getfixturevalue("checkpoint_path"), "-o", path], check=True)
    return path


@pytest.fixture(scope="session")
def digits():
    """The first 1000 test images of Fashion-MNIST, uint8 [N, 28, 28, 1]."""
    import gzip
    found = glob.glob("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte*") + glob.glob("/usr/share/**/t10k-images-idx3-ubyte*",
            recursive=True)
    if not found:
        pytest.skip("no Fashion-MNIST: setup.sh installs it")
    with (gzip.open if found[0].endswith(".gz") else open)(found[0], "rb") as file:
        return np.frombuffer(file.read(16 + 784 * 1000), np.uint8, offset=16).reshape(-1, 28, 28, 1)


def random_images(count, shape, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)
