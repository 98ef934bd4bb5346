# SPDX-License-Identifier: GPL-3.0-or-later
"""Packed models (.bcgd), checkpoints and results of the BCGD suite (Documentation/Python.md).

    model = bcgd.load("model.bcgd")
    scores = model(images)                      # uint8 [N, H, W, C] or [N, C, H, W]; f32 [N, classes]
    model.classes, model.layers                 # names; integer weights, scales, step sizes as arrays
    checkpoint = bcgd.read_checkpoint(path)     # arrays by name
    module = bcgd.to_torch(checkpoint)          # the same evaluation
    bcgd.from_torch(module.state_dict(), checkpoint).write(path)
    table = bcgd.results("results")             # pandas
"""
from .checkpoint import Checkpoint, read_checkpoint
from .error import Error
from .model import Layer, Model, load
from .pytorch import from_torch, to_torch
from .results import results

__all__ = ["Checkpoint", "Error", "Layer", "Model", "from_torch", "load", "read_checkpoint", "results", "to_torch"]
__version__ = "0.1.0"
