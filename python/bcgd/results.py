# SPDX-License-Identifier: GPL-3.0-or-later
import os

from .error import Error


def results(folder):
    """The runs of a results folder, one a row, as a pandas.DataFrame."""
    path = os.path.join(folder, "runs.csv")
    if not os.path.isfile(path):
        raise Error(f"{folder} holds no runs.csv: expected a folder that `reproduce … --out` wrote")
    import pandas

    # Hexadecimal words such as 74330e4 would be read as numbers.
    texts = ["dataset", "network", "cell", "recipe", "recipe_digest", "data_crc32", "commit", "how"]
    return pandas.read_csv(path, dtype={name: str for name in texts})
