# SPDX-License-Identifier: GPL-3.0-or-later
import copy
import gc
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import bcgd
from conftest import ROOT, random_images


def test_scores_are_those_of_classify(model_path, reproduce, tmp_path):
    model, images = bcgd.load(model_path), random_images(20, (32, 32, 3))
    names = []
    for index, image in enumerate(images):
        names.append(str(tmp_path / f"{index}.ppm"))
        with open(names[-1], "wb") as file:
            file.write(b"P6 32 32 255\n" + image.tobytes())
    said = subprocess.run([reproduce, "classify", "--scores", model_path] + names, check=True, capture_output=True, text=True).stdout
    expected = np.array([line.split("\t")[1:] for line in said.splitlines()], np.float32)
    assert expected.shape == (20, 10) and len(np.unique(expected, axis=0)) == 20
    assert (model(images).view(np.int32) == expected.view(np.int32)).all()


def test_layouts(model_path):
    model, images = bcgd.load(model_path), random_images(3, (32, 32, 3))
    scores = model(images)
    assert scores.shape == (3, 10) and scores.dtype == np.float32
    assert (model(images.transpose(0, 3, 1, 2)) == scores).all() and (model(images.transpose(0, 3, 1, 2), layout="NCHW") == scores).all()
    assert (model(images[::2]) == scores[::2]).all() and model(images[:0]).shape == (0, 10)
    for wrong, words in [(images.astype(np.float32), "uint8"), (images[0], "[N, 32, 32, 3]"), (images[:, :30], "[N, 32, 32, 3]")]:
        with pytest.raises(bcgd.Error, match=words.replace("[", r"\[").replace("]", r"\]")):
            model(wrong)
    with pytest.raises(bcgd.Error, match="layout"):
        model(images, layout="NCHW")


def test_description(model_path):
    model = bcgd.load(model_path)
    assert model.classes[:2] == ["airplane", "automobile"] and model.input_shape == (32, 32, 3) and "resnet20" in model.provenance
    first, *inner, last = model.layers
    assert len(model.layers) == 20 and (first.kind, last.kind) == ("first", "classifier")
    for layer in inner:
        assert layer.kind == "convolution" and layer.integer_weights.dtype == np.int8 and set(np.unique(layer.integer_weights)) == {-1, 1}
        assert layer.integer_weights.shape[0] == layer.shape[2] == len(layer.a) and layer.step_size > 0 and layer.activation_bits == 4
        assert (layer.weights == layer.scales[0] * layer.integer_weights).all()
    assert last.integer_weights.shape == (10, 64) and last.a is None and len(last.b) == 10
    assert os.path.getsize(model_path) == model.file_bytes


def border_classes(layer, shape):
    """[H', W']: which of the taps of each place lie in the image, numbered as documented."""
    def classes(side, outputs):
        known, numbers = [], []
        for i in range(outputs):
            taps = tuple(t for t in range(layer.kernel) if 0 <= i * layer.stride + t - layer.padding < side)
            known += [taps] if taps not in known else []
            numbers.append(known.index(taps))
        return np.array(numbers), len(known)
    (rows, _), (columns, count) = classes(shape[0], layer.shape[0]), classes(shape[1], layer.shape[1])
    return rows[:, None] * count + columns


def test_layers_compute_the_scores(any_model_path):
    """The arithmetic of Documentation/packed-format.md on the arrays gives the model's scores, but for the order of f32 sums."""
    model = bcgd.load(any_model_path)
    image = random_images(1, model.input_shape)
    maps, normalised = [], (image[0].astype(np.float32) / np.float32(255) - model.mean) / model.std
    for layer in model.layers:
        source = maps[layer.input] if layer.input >= 0 else image[0] if layer.kind == "first of bytes" else normalised
        if layer.kind == "classifier":
            step = model.layers[layer.input].step_size
            scores = source.mean((0, 1)) * step @ layer.weights.T + layer.b
            break
        weights = layer.weights if layer.kind == "first" else layer.integer_weights
        padded = np.pad(source.astype(np.float64), ((layer.padding,) * 2, (layer.padding,) * 2, (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (layer.kernel, layer.kernel), (0, 1))[::layer.stride, ::layer.stride]
        if layer.kind == "first of bytes":
            sums = np.einsum("hwirs,oirs->hwoi", windows, weights, optimize=True)  # of each colour
            t = np.einsum("hwoi,io->hwo", sums, layer.a) + layer.b[border_classes(layer, image[0].shape)]
        else:
            t = layer.a * np.einsum("hwirs,oirs->hwo", windows, weights, optimize=True) + layer.b
        if layer.shortcut:
            other = maps[layer.shortcut_input]
            if layer.shortcut == "subsampled":
                other = other[::layer.shortcut_stride, ::layer.shortcut_stride]
                margin = (t.shape[2] - other.shape[2]) // 2
                other = np.pad(other, ((0, 0), (0, 0), (margin, t.shape[2] - other.shape[2] - margin)))
            t = t + layer.step * other
        maps.append(np.clip(np.ceil(t), 0, 2 ** layer.activation_bits - 1))
    assert np.abs(scores - model(image)[0]).max() < 0.05  # a level next to a boundary may differ


def test_threads_share_a_model(model_path):
    model, images = bcgd.load(model_path, callers=2), random_images(64, (32, 32, 3))
    expected, wrong = model(images), []

    def work(first):
        for _ in range(5):
            if not (model(images[first:first + 16]) == expected[first:first + 16]).all():
                wrong.append(first)

    threads = [threading.Thread(target=work, args=(16 * (i % 4),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_lock_of_the_interpreter_is_released(model_path):
    """While a call computes, another thread counts."""
    model, images, counted, stop = bcgd.load(model_path), random_images(2000, (32, 32, 3)), [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1
            stop.wait(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    model(images)
    during = counted[0] - before
    stop.set()
    thread.join()
    assert during > 10  # half a second or more of computing; a held lock leaves 1


@pytest.mark.parametrize("content, words", [(b"", "is empty"), (b"nothing", "not a packed model"), (None, "No such file"),
        ("cut", "truncated"), ("flipped", "CRC-32")])
def test_bad_files_are_one_line(model_path, tmp_path, content, words):
    path, good = tmp_path / "bad.bcgd", open(model_path, "rb").read()
    if content == "cut":
        content = good[:-1]
    elif content == "flipped":
        content = good[:5000] + bytes([good[5000] ^ 1]) + good[5001:]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(bcgd.Error, match=words) as caught:
        bcgd.load(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    for faults in [{"threads": 0}, {"threads": 2 ** 32 + 1}, {"callers": 0}, {"callers": 2 ** 32 + 1},
                   {"threads": 1.5}, {"threads": "2"}]:
        with pytest.raises(bcgd.Error, match=f"expected 1 to .* {next(iter(faults))}, not"):
            bcgd.load(model_path, **faults)
    latin = os.fsencode(tmp_path) + b"/mod\xe8le.bcgd"  # would be repaired to another file's name
    for name in (latin, os.fsencode(tmp_path / "mod\ufffdle.bcgd")):
        with open(model_path, "rb") as source, open(name, "wb") as file:
            file.write(source.read())
    with pytest.raises(bcgd.Error, match="expected a path in UTF-8"):
        bcgd.load(latin)
    with pytest.raises(bcgd.Error, match="the byte 0"):
        bcgd.load(model_path + "\0.other")


def test_copies_share_one_owner(model_path):
    model, images = bcgd.load(model_path), random_images(1, (32, 32, 3))
    expected, same = model(images), copy.copy(model)
    del model
    gc.collect()
    assert (same(images) == expected).all()
    with pytest.raises((AttributeError, TypeError, ValueError)):
        copy.deepcopy(same)


def test_the_interpreter_ends_while_a_thread_computes(model_path):
    """What was registered before the model was opened runs after what the model may have registered."""
    program = f"""
import atexit, threading, time, bcgd, numpy
atexit.register(time.sleep, 0.3)
model, images = bcgd.load({model_path!r}), numpy.zeros((1, 32, 32, 3), numpy.uint8)
threading.Thread(target=lambda: [model(images) for _ in range(10 ** 6)], daemon=True).start()
time.sleep(0.1)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(os.path.dirname(bcgd.__file__))] + sys.path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment).returncode == 0


@pytest.mark.filterwarnings("ignore:.*fork")
def test_forked_processes(model_path):
    """OpenMP's threads stay behind: calls with several are refused after the first one, others go on."""
    images = random_images(2, (32, 32, 3))
    one, two = (bcgd.load(model_path, threads=threads) for threads in (1, 2))

    def said(body):
        read, write = os.pipe()
        process = os.fork()
        if process == 0:
            signal.alarm(20)  # a hang is one no longer
            try:
                body()
                os.write(write, b"computed")
            except bcgd.Error as error:
                os.write(write, str(error).encode())
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as text:
            found = text.read()
        os.waitpid(process, 0)
        return found

    outcomes = []

    def before_and_after():  # in a thread of its own, whose first call with two threads this is
        outcomes.append(said(lambda: two(images)))
        two(images)
        outcomes.extend(said(body) for body in (lambda: one(images), lambda: two(images), lambda: bcgd.load(model_path, 2)(images)))

    thread = threading.Thread(target=before_and_after)
    thread.start()
    thread.join()
    refused = "this process was forked after a call with threads > 1"
    assert [outcome.split(",")[0] for outcome in outcomes] == ["computed", "computed", refused, refused]


@pytest.mark.parametrize("static", [False, True])
def test_the_example_in_c(model_path, tmp_path, static):
    library, image = os.path.join(ROOT, ".build-library", "lib"), random_images(1, (32, 32, 3))[0]
    link = [os.path.join(library, "libbcgd.a"), "-Wl,--gc-sections", "-lgomp", "-lz", "-lstdc++"] if static else ["-L" + library,
            "-l:libbcgd.so", "-Wl,-rpath," + library]
    program = str(tmp_path / "classify")
    try:
        subprocess.run(["gcc", "-std=c11", "-O2", "-Wall", "-Werror", "-I" + library, os.path.join(ROOT, "python/example/classify.c"),
                "-o", program]
                       + link + ["-lm", "-lpthread"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no gcc")
    said = subprocess.run([program, model_path], input=image.tobytes(), check=True, capture_output=True).stdout.decode().rsplit(" ", 1)
    model = bcgd.load(model_path)
    scores = model(image[None])[0]
    assert said[0] == model.classes[scores.argmax()] and np.float32(said[1]) == scores.max()
    bad = subprocess.run([program, "/no/such"], input=b"", capture_output=True)
    assert bad.returncode == 1 and bad.stderr == b"cannot open /no/such: No such file or directory\n"


def test_how_many_images_are_checked(model_path, monkeypatch):
    """Experiments/onnx/check.py's --qonnx-count, wherever the images come from."""
    monkeypatch.syspath_prepend(os.path.join(ROOT, "Experiments", "onnx"))
    import check
    images = random_images(5, (32, 32, 3))
    assert check.first_images(images.tobytes(), 2, model_path) == images[:2].tobytes()


def test_results(tmp_path):
    pytest.importorskip("pandas")
    header, row = (line.split(",") for line in ("commit,recipe_digest,seed,data_crc32", "74330e4,0120456,1,00000012"))
    (tmp_path / "runs.csv").write_text("\n".join([",".join(header), ",".join(row)]))
    table = bcgd.results(tmp_path)
    assert [str(table[name][0]) for name in header] == row and table.seed.sum() == 1  # no numbers, where digits alone are hexadecimal
    table = bcgd.results(os.path.join(ROOT, "results"))
    assert len(table) > 5 and {"network", "top1_final", "seed"} <= set(table.columns)
    with pytest.raises(bcgd.Error, match="runs.csv"):
        bcgd.results("/")
