#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says which WordNet id each ILSVRC2012_ID is, from the development kit (ILSVRC2012_devkit_t12/data/meta.mat); needs SciPy.

    python3 devkit_synsets.py ILSVRC2012_devkit_t12/data/meta.mat > DATA/ILSVRC2012_synsets.txt

The published ground truth of the validation images is in these ids, 1 to 1000 for the classes of the contest; they are not in
the order of torchvision's classes.
"""
import sys

import scipy.io


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        synsets = scipy.io.loadmat(sys.argv[1], squeeze_me=True, struct_as_record=False)["synsets"]
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"devkit_synsets.py: {sys.argv[1]} is not the development kit's meta.mat: {error}")
    for synset in sorted(synsets, key=lambda synset: synset.ILSVRC2012_ID):
        if synset.num_children == 0:  # a class of the contest, not a group of them
            print(f"{synset.ILSVRC2012_ID} {synset.WNID} {synset.words}")


if __name__ == "__main__":
    main()
