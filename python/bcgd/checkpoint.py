# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: safetensors files with the run, its graph and a checksum in the metadata (Sources/Training/Checkpoint.swift)."""
import json
import math
import os
import zlib

import numpy as np

from .error import Error

FORMAT, VERSION = "bcgd-checkpoint", "1"
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4",
         "U16": "<u2", "U8": "u1", "BOOL": "?"}
NAMES = {np.dtype(value): key for key, value in TYPES.items()}


class Checkpoint(dict):
    """Arrays by name: parameters, running statistics and momenta, all f32; integer weights (`NAME.codes`) where the evaluation lags."""

    def __init__(self, arrays, metadata, path="(not yet a file)"):
        super().__init__(arrays)
        self.path, self.metadata = path, dict(metadata)
        self.run, self.state = (_json(self.metadata, key, path) for key in ("run", "state"))
        self.classes = self.metadata["classes"].split("\n") if "classes" in self.metadata else None
        #: The network; None in checkpoints from before it was kept.
        self.graph = Graph(self) if "graph" in self.metadata else None

    def write(self, path):
        """Writes the file; readers see the old one or the new one."""
        metadata = {key: value for key, value in self.metadata.items() if key != "checksum"}
        metadata["checksum"] = _checksum(metadata, self)
        data = encode(self, metadata)
        path = os.path.realpath(path)  # a link stays one
        temporary = f"{path}.{os.getpid()}.part"
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            if os.path.exists(temporary):
                os.remove(temporary)
            raise


class Graph(dict):
    """A network as its input and nodes (Sources/Graph/NetworkGraph.swift), with what a checkpoint says of its run."""

    def __init__(self, checkpoint):
        self.metadata, self.state = checkpoint.metadata, checkpoint.state
        try:
            super().__init__(_json(checkpoint.metadata, "graph", checkpoint.path))
            self.operations = [next(iter(node["operation"].items())) for node in self["nodes"]]
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
            raise Error(f"{checkpoint.path} holds no network that this package knows") from None

    @property
    def recipe(self):
        """Of the run, as it stands in the metadata."""
        return json.loads(self.metadata["run"])["recipe"]

    def layers(self, *kinds):
        """(name, settings) of the nodes of these kinds."""
        return [(node["name"], settings) for node, (kind, settings) in zip(self["nodes"], self.operations) if kind in kinds]


def read_checkpoint(path):
    """Reads and verifies a checkpoint. Raises bcgd.Error for what is none of ours, or damaged."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Error(f"cannot read {path}: {error.strerror}") from None
    arrays, metadata = decode(data, path)
    for key, expected in [("format", FORMAT), ("version", VERSION)]:
        if metadata.get(key) != expected:
            raise Error(f"{path} is no checkpoint of ours: its {key} is {metadata.get(key)}, expected {expected}")
    if metadata.get("checksum") != _checksum(metadata, arrays):
        raise Error(f"{path} is damaged: its checksum does not match")
    return Checkpoint(arrays, metadata, str(path))


def decode(data, path):
    """Arrays and metadata of a safetensors file's bytes."""
    try:
        length = int.from_bytes(data[:8], "little")
        if len(data) < 8 or not 2 <= length <= len(data) - 8:
            raise ValueError("its header's length is impossible")
        header = json.loads(data[8:8 + length])
        metadata, body = header.pop("__metadata__", {}), memoryview(data)[8 + length:]
        if not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("its metadata are no texts")
        arrays = {}
        for name, entry in header.items():
            (begin, end), shape, kind = entry["data_offsets"], entry["shape"], entry["dtype"]
            if kind == "BF16":
                raw = np.frombuffer(body[begin:end], "<u2").astype(np.uint32) << 16
                values = raw.view(np.float32)
            else:
                values = np.frombuffer(body[begin:end], TYPES[kind])
            if not 0 <= begin <= end <= len(body) or any(n < 0 for n in shape) or values.size != math.prod(shape):
                raise ValueError(f"{name!r} does not fit its bytes")
            arrays[name] = values.reshape(shape).copy()
        return arrays, metadata
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Error(" ".join(f"{path} is no safetensors file, or a damaged one: {error!r}".split())) from None


def encode(arrays, metadata):
    """A safetensors file's bytes: widest elements first, then by name, as the suite writes them."""
    order = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0].encode()))
    header, offset = {"__metadata__": dict(sorted(metadata.items(), key=lambda item: item[0].encode()))}, 0
    for name, array in order:
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(np.ascontiguousarray(array).tobytes() for _, array in order)


def canonical(value):
    """JSON as the suite writes it: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def crc(data):
    return f"{zlib.crc32(data):08x}"


def _checksum(metadata, arrays):
    parts = [f"{key}={value}" for key, value in sorted(metadata.items()) if key != "checksum"]
    parts += [f"{name} [{', '.join(map(str, array.shape))}] {crc(np.ascontiguousarray(array).tobytes())}"
            for name, array in sorted(arrays.items())]
    return crc("\n".join(parts).encode())


def _json(metadata, key, path):
    try:
        return json.loads(metadata[key])
    except (KeyError, ValueError, RecursionError):
        raise Error(f"{path} is no checkpoint of ours: its metadata lack {key}") from None
