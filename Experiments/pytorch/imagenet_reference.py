#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch's pixels and scores of an ImageNet ResNet on a validation folder, for `reproduce evaluate-weights --reference`.

    python3 imagenet_reference.py val/ resnet18.safetensors out.safetensors --classes 10classes.txt [--resize 256] [--network resnet18]

Takes torchvision's own pipeline (Resize, CenterCrop, ToTensor, Normalize) and network; needs torch, torchvision, safetensors.
The images are in the order of the class list, then of their names. `--resize 0` crops without resizing.
"""
import argparse
import os
import sys

import numpy
import torch
import torchvision
from PIL import Image
from safetensors.numpy import save_file
from safetensors.torch import load_file


def listed(path):
    """(number, wnid) of each class, by number."""
    with open(path, encoding="utf-8") as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return sorted((int(words[0]), words[1]) for words in lines)


def take_weights(network, name, path):
    """The file's weights; PyTorch's counters `num_batches_tracked` may be missing, as evaluation does not use them. Any other name that
    does not match would leave random weights where it belongs."""
    lost = network.load_state_dict(load_file(path), strict=False)
    missing = [key for key in lost.missing_keys if not key.endswith("num_batches_tracked")]
    faults = [f"it {word} {', '.join(keys[:3])}{', …' if len(keys) > 3 else ''}"
              for word, keys in (("lacks", missing), ("has the unknown", lost.unexpected_keys)) if keys]
    if faults:
        sys.exit(f"imagenet_reference.py: {path} does not hold the weights of torchvision's {name}: {'; '.join(faults)}; name the network "
                 "with --network, or convert the file with convert_torchvision.py")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("val", help="folder with a folder for each class")
    parser.add_argument("weights")
    parser.add_argument("out")
    parser.add_argument("--classes", required=True, help="class list: number, WordNet id, name")
    parser.add_argument("--resize", type=int, default=256)
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--network", default="resnet18")
    options = parser.parse_args()
    torch.set_num_threads(2)
    steps = [torchvision.transforms.Resize(options.resize)] if options.resize else []
    geometry = torchvision.transforms.Compose(steps + [torchvision.transforms.CenterCrop(options.crop)])
    to_tensor = torchvision.transforms.Compose([
        torchvision.transforms.ToTensor(),
        torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
    network = torchvision.models.get_model(options.network)
    take_weights(network, options.network, options.weights)
    network.eval()
    pixels, logits, labels, batch = [], [], [], []

    def flush():
        if batch:
            with torch.inference_mode():
                logits.append(network(torch.stack(batch)).numpy())
            batch.clear()

    for number, wnid in listed(options.classes):
        folder = os.path.join(options.val, wnid)
        for name in sorted(os.listdir(folder)):
            with Image.open(os.path.join(folder, name)) as file:
                image = geometry(file.convert("RGB"))
            pixels.append(numpy.asarray(image))
            batch.append(to_tensor(image))
            labels.append(number)
            if len(batch) == 25:
                flush()
    flush()
    scores, truth = numpy.concatenate(logits), numpy.array(labels, dtype=numpy.int32)
    ranks = (scores > scores[numpy.arange(len(truth)), truth][:, None]).sum(1)
    save_file({"pixels": numpy.stack(pixels), "logits": scores, "labels": truth}, options.out)
    print(f"{len(truth)} images: top-1 {100 * (ranks < 1).mean():.2f} %, top-5 {100 * (ranks < 5).mean():.2f} % "
          f"(torch {torch.__version__}, torchvision {torchvision.__version__})")


if __name__ == "__main__":
    main()
