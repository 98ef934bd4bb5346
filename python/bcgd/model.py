# SPDX-License-Identifier: GPL-3.0-or-later
"""Packed models through the C library (bcgd.h)."""
import ctypes as c
import numbers
import os
import threading
import weakref
from dataclasses import dataclass
from typing import Optional

import numpy as np

from .error import Error

ERROR_BYTES = 1024
MOST_THREADS, MOST_CALLERS = 256, 64
KINDS = {1: "first", 2: "convolution", 3: "maximum", 4: "classifier", 5: "first of bytes"}
SHORTCUTS = {0: None, 1: "levels", 2: "subsampled", 3: "values"}
# Kinds of numbers, with their type.
INTEGER_WEIGHTS, FLOAT_WEIGHTS, SCALES, FACTORS, TERMS = (1, np.int8), (2, np.float32), (3, np.float32), (4, np.float32), (5, np.float32)

#: The process in which this thread started OpenMP's threads. They are the thread's own, and libgomp does not notice a fork: there the
#: thread would wait for ever for threads that the child does not have.
_started = threading.local()


class _Description(c.Structure):
    _fields_ = ([(name, c.c_int32) for name in "height width channels resize classes units threads callers".split()]
                + [("mean", c.c_float * 4), ("std", c.c_float * 4), ("file_bytes", c.c_uint64), ("multiply_adds", c.c_uint64),
                   ("class_names", c.c_char_p), ("provenance", c.c_char_p)])


class _Unit(c.Structure):
    _fields_ = ([("name", c.c_char_p)]
                + [(name, c.c_int32) for name in ("kind kernel stride padding weight_bits activation_bits shortcut shortcut_stride input "
                                                  "shortcut_input input_channels height width channels scales").split()]
                + [("step", c.c_float), ("step_size", c.c_float)])


def _library():
    """The library beside this file, or the one that BCGD_LIBRARY names."""
    path = os.environ.get("BCGD_LIBRARY") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib", "libbcgd.so")
    library = c.CDLL(path)  # releases the GIL during calls
    pointer, size = c.c_void_p, c.c_int64
    for name, result, arguments in [
        ("open", pointer, [c.c_char_p, c.c_int32, c.c_int32, c.c_char_p]), ("close", None, [pointer]),
        ("describe", None, [pointer, c.POINTER(_Description)]), ("describe_unit", c.c_int, [pointer, c.c_int32, c.POINTER(_Unit)]),
        ("numbers", size, [pointer, c.c_int32, c.c_int32, pointer, size]), ("run", c.c_int, [pointer, pointer, size, pointer, c.c_char_p]),
    ]:
        function = getattr(library, "bcgd_" + name)
        function.restype, function.argtypes = result, arguments
    return library


@dataclass(frozen=True)
class Layer:
    """One unit of a packed model: t = a·sum + b + step·shortcut, level = clamp(ceil(t), 0, 2^bits − 1) (Documentation/packed-format.md)."""
    name: str
    kind: str
    kernel: int
    stride: int
    padding: int
    #: 1 binary, 2 ternary, 3 to 8 uniform, 32 float, 0 none.
    weight_bits: int
    #: b of levels 0 to 2^b − 1; 0 where the result stays float.
    activation_bits: int
    #: Indices of the layers whose results are read; −1 is the image, or no shortcut.
    input: int
    shortcut_input: int
    shortcut: Optional[str]
    shortcut_stride: int
    #: (height, width, channels) of the result.
    shape: tuple
    #: int8 [O, I, K, K], of a classifier [O, I]; None where weights are float or there are none.
    integer_weights: Optional[np.ndarray]
    #: The same as f32: scale times integer weight where they are quantized.
    weights: Optional[np.ndarray]
    #: δ: one, or one for each output channel.
    scales: Optional[np.ndarray]
    #: [O]; of a first layer of bytes a is [C, O], of each colour's sum, and b [classes, O], of each class of places at the border.
    a: Optional[np.ndarray]
    b: Optional[np.ndarray]
    #: The shortcut's step size over this layer's.
    step: float
    #: α: what one level is worth.
    step_size: float


class Model:
    """A packed model. Several threads may call one at the same time; the interpreter's lock is released meanwhile."""

    def __init__(self, path, threads=1, callers=None):
        callers = min(os.cpu_count() or 1, 8) if callers is None else callers
        name = os.fsencode(path)
        # What C would read as another number, or as a shorter path.
        for found, most, what in [(threads, MOST_THREADS, "threads"), (callers, MOST_CALLERS, "callers")]:
            if not isinstance(found, numbers.Integral) or not 1 <= found <= most:
                raise Error(f"expected 1 to {most} {what}, not {found!r}")
        if b"\0" in name:
            raise Error(f"the path {path!r} holds the byte 0, which no path has: expected that of a packed model")
        self._library = _library()
        error = c.create_string_buffer(ERROR_BYTES)
        self._model = self._library.bcgd_open(name, threads, callers, error)
        if not self._model:
            raise Error(error.value.decode(errors="replace"))
        self._close = weakref.finalize(self, self._library.bcgd_close, self._model)
        self._close.atexit = False  # daemon threads may still compute then; the system takes the memory back
        self._threads = threads
        about = _Description()
        self._library.bcgd_describe(self._model, about)
        #: (height, width, channels) of an image.
        self.input_shape = (about.height, about.width, about.channels)
        #: What to do with an image of another size: 0, refuse it; n, make its shorter side n pixels and cut out the centre.
        self.resize = about.resize
        self.mean, self.std = (np.array(v[:about.channels], np.float32) for v in (about.mean, about.std))
        self.classes = about.class_names.decode().split("\n")
        self.provenance = about.provenance.decode()
        self.file_bytes, self.multiply_adds = about.file_bytes, about.multiply_adds
        self._units, self._class_count = about.units, about.classes
        self._layers = None

    def __call__(self, images, layout=None):
        """Class scores, f32 [N, classes].

        images: uint8 [N, H, W, C] or [N, C, H, W], as they are: the model normalises them.
        layout: "NHWC" or "NCHW", needed only where the shape fits both.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8:
            raise Error(f"expected uint8 images, found {images.dtype}: bytes 0 to 255 as they are, not normalised")
        height, width, channels = self.input_shape
        fits = [name for name, shape in [("NHWC", (height, width, channels)), ("NCHW", (channels, height, width))]
                if images.shape[1:] == shape]
        if images.ndim != 4 or not fits:
            raise Error(f"expected images [N, {height}, {width}, {channels}] or "
                        f"[N, {channels}, {height}, {width}], found {list(images.shape)}")
        if layout not in (None, "NHWC", "NCHW") or layout and layout not in fits:
            raise Error(f"expected the layout {' or '.join(fits)} of images {list(images.shape)}, found {layout}")
        if layout is None and len(fits) > 1 and channels > 1:
            raise Error(f"images {list(images.shape)} may be NHWC or NCHW: say which by layout=")
        if (layout or fits[0]) == "NCHW":
            images = images.transpose(0, 2, 3, 1)
        images = np.ascontiguousarray(images)
        scores = np.empty((len(images), self._class_count), np.float32)
        if self._threads > 1:
            self._start_threads()
        error = c.create_string_buffer(ERROR_BYTES)
        if self._library.bcgd_run(self._model, images.ctypes.data, len(images), scores.ctypes.data, error):
            raise Error(error.value.decode(errors="replace"))
        return scores

    @staticmethod
    def _start_threads():
        process = os.getpid()
        if getattr(_started, "process", process) != process:
            raise Error("this process was forked after a call with threads > 1, and OpenMP's threads stayed behind: use threads=1, "
                        "fork before the first call, or start processes by multiprocessing's method spawn")
        _started.process = process

    def __copy__(self):
        return self  # nothing of a model changes, and the library's has one owner

    @property
    def layers(self):
        if self._layers is None:
            self._layers = [self._layer(index) for index in range(self._units)]
        return self._layers

    def _layer(self, index):
        unit = _Unit()
        self._library.bcgd_describe_unit(self._model, index, unit)
        kernel = () if KINDS[unit.kind] == "classifier" else (unit.kernel, unit.kernel)
        shape = (unit.channels, unit.input_channels) + kernel
        terms = (-1, unit.channels) if KINDS[unit.kind] == "first of bytes" else (-1,)
        return Layer(
            unit.name.decode(), KINDS[unit.kind], unit.kernel, unit.stride, unit.padding, unit.weight_bits,
            unit.activation_bits, unit.input,
            unit.shortcut_input, SHORTCUTS[unit.shortcut], unit.shortcut_stride, (unit.height, unit.width, unit.channels),
            self._numbers(index, INTEGER_WEIGHTS, shape), self._numbers(index, FLOAT_WEIGHTS, shape), self._numbers(index, SCALES),
            self._numbers(index, FACTORS, terms), self._numbers(index, TERMS, terms), unit.step, unit.step_size)

    def _numbers(self, index, kind, shape=(-1,)):
        count = self._library.bcgd_numbers(self._model, index, kind[0], None, 0)
        if count < 0:
            return None
        found = np.empty(count, kind[1])
        self._library.bcgd_numbers(self._model, index, kind[0], found.ctypes.data, count)
        return found.reshape(shape)

    def __repr__(self):
        return f"<bcgd.Model {self.provenance}: {self._units} layers, {self.file_bytes} bytes>"


def load(path, threads=1, callers=None):
    """Opens a packed model.

    threads: that compute in one call.
    callers: threads that may call the model at the same time, others wait (default: the processors, at most 8).
    Raises bcgd.Error for a file that is no packed model or a damaged one.
    """
    return Model(path, threads, callers)
