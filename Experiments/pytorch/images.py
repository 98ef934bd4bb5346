# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a run, epoch by epoch, as the suite takes them: the same order and placements from the same seed (Sources/Datasets)."""
import gzip
import os
import re
import zlib

import numpy as np
import torch
from torch.nn import functional as F

SHUFFLE, AUGMENTATION = 0xD5, 0xDA
FASHION_MNIST = "/usr/share/datasets/fashion-mnist"
NORMALIZATION = {"CIFAR-10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)), "MNIST": ((0.13066047,), (0.3081078,)),
                 "Fashion-MNIST": ((0.2860406,), (0.3530242,)), "ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}


# --- random numbers (Sources/Statistics/Philox.swift, Sources/Datasets/Augmentation.swift) ---------------------

def philox(seed, stream, block):
    """Philox4x32-10 of counters (block, stream) under the key seed, arrays of one length: its two 64-bit words, u64 [N, 2]."""
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    block, stream = np.broadcast_arrays(np.asarray(block, np.uint64), np.asarray(stream, np.uint64))
    c, k = [block & low, block >> shift, stream & low, stream >> shift], [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> shift) ^ c[1] ^ np.uint64(k[0]), b & low, (a >> shift) ^ c[3] ^ np.uint64(k[1]), a & low]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack([c[0] | c[1] << shift, c[2] | c[3] << shift], -1)


def words(seed, use, epoch, image, count):
    """The first words of the streams of images in an epoch, u64 [images, count]."""
    stream = (np.uint64(use) << np.uint64(56)) | (np.uint64(epoch) << np.uint64(32)) | np.asarray(image, np.uint64).reshape(-1, 1)
    return philox(seed, stream, np.arange((count + 1) // 2)).reshape(stream.size, -1)[:, :count]


def below(word, bound):
    """Uniform in 0 ..< bound (below 2³²): the high half of the product."""
    word, bound, low, shift = np.uint64(word), np.uint64(bound), np.uint64(0xFFFFFFFF), np.uint64(32)
    return (((word & low) * bound >> shift) + (word >> shift) * bound >> shift).astype(np.int64)


def shuffled_order(count, seed, epoch):
    """A Fisher–Yates shuffle."""
    places = below(words(seed, SHUFFLE, epoch, [0], count - 1)[0], np.arange(count, 1, -1)).tolist()
    order = list(range(count))
    for last, place in zip(range(count - 1, 0, -1), places):
        order[last], order[place] = order[place], order[last]
    return np.array(order)


def normalization_table(name):
    """f32 [channels, 256]: what becomes of each byte."""
    mean, std = (np.array(values, np.float32)[:, None] for values in NORMALIZATION[name])
    return torch.from_numpy((np.arange(256, dtype=np.float32) / np.float32(255) - mean) / std)


def normalized(pixels, table):
    """u8 [N, H, W, C] to f32 [N, C, H, W]."""
    return torch.stack([table[c][pixels[..., c].long()] for c in range(len(table))], 1)


# --- images in memory ------------------------------------------------------------------------------------------

def epoch_plan(count, seed, epoch, margin, flips):
    """i64 [count, 4]: the images in an epoch's order, row and column of their crops, and whether each is mirrored."""
    order = shuffled_order(count, seed, epoch)
    row, column, flip = words(seed, AUGMENTATION, epoch, order, 3).T
    return np.stack([order, below(row, 2 * margin + 1), below(column, 2 * margin + 1), below(flip, 2) * flips], 1)


class SmallImages:
    """CIFAR-10, MNIST or Fashion-MNIST, on the device. Training images are cropped from a black margin and mirrored.

    Batches are what there is to copy to the device: `training` and `test_images` make (images, labels) of one. A pool of processes,
    where there is one, plans the next epoch while this one is under way."""

    def __init__(self, name, folder, recipe, seed, device, pool=None):
        train, test = cifar10(folder) if name == "CIFAR-10" else idx(folder, name)
        self.pool, self.next = pool, (None, None)
        self.train, self.test = ([torch.from_numpy(a).to(device) for a in split] for split in (train, test))
        self.table, self.seed = normalization_table(name).to(device), seed
        self.margin, self.flips = recipe["crop_padding"], recipe["flip"]
        self.classes = None  # of a data set's own name

    @property
    def count(self):
        return len(self.train[1])

    def checksum(self):
        """CRC-32 of all images and labels, as a checkpoint has it (Sources/Datasets/ImageDataset.swift)."""
        crc = 0
        for part in (*self.train, *self.test):
            crc = zlib.crc32(part.cpu().numpy().astype(np.uint8).tobytes(), crc)
        return f"{crc:08x}"

    def training_batches(self, epoch, size, first=0):
        """The batches of an epoch from the first-th on."""
        plan = torch.from_numpy(self._plan(epoch)).to(self.train[0].device)
        for start in range(first * size, self.count, size):
            yield (plan[start:start + size],)

    def _plan(self, epoch):
        known, plan = self.next
        plan = plan.result() if known == epoch else epoch_plan(*self._settings(epoch))
        if self.pool is not None:
            self.next = epoch + 1, self.pool.submit(epoch_plan, *self._settings(epoch + 1))
        return plan

    def _settings(self, epoch):
        return self.count, self.seed, epoch, self.margin, self.flips

    def training(self, plan):
        (chosen, row, column, flip), (height, width) = plan.T[:, :, None], self.train[0].shape[1:3]
        places = torch.arange(width, device=plan.device)
        rows, columns = row + torch.arange(height, device=plan.device), column + torch.where(flip == 1, width - 1 - places, places)
        padded = F.pad(self.train[0][chosen[:, 0]], (0, 0) + 4 * (self.margin,))
        cropped = padded[torch.arange(len(plan), device=plan.device)[:, None, None], rows[:, :, None], columns[:, None, :]]
        return normalized(cropped, self.table), self.train[1][chosen[:, 0]]

    def test_batches(self, size):
        for start in range(0, len(self.test[1]), size):
            yield self.test[0][start:start + size], self.test[1][start:start + size]

    def test_images(self, pixels, labels):
        return normalized(pixels, self.table), labels


def cifar10(folder):
    inner = os.path.join(folder, "cifar-10-batches-bin")
    folder = inner if os.path.isdir(inner) else folder

    def read(names):
        raw = np.concatenate([np.fromfile(os.path.join(folder, name), np.uint8) for name in names]).reshape(-1, 3073)
        return np.ascontiguousarray(raw[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), raw[:, 0].astype(np.int64)

    return read([f"data_batch_{i}.bin" for i in range(1, 6)]), read(["test_batch.bin"])


def idx(folder, name):
    folder = FASHION_MNIST if folder is None and name == "Fashion-MNIST" else folder

    def read(file, header):
        path = next(p for f in (folder, os.path.join(folder, name.lower())) for p in (f"{f}/{file}", f"{f}/{file}.gz") if os.path.exists(p))
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as opened:
            return np.frombuffer(opened.read(), np.uint8, offset=header)

    def split(prefix):
        labels = read(f"{prefix}-labels-idx1-ubyte", 8).astype(np.int64)
        return read(f"{prefix}-images-idx3-ubyte", 16).reshape(len(labels), 28, 28, 1).copy(), labels

    return split("train"), split("t10k")


# --- images in files -------------------------------------------------------------------------------------------

def random_resized_crop(draw, height, width, smallest_area):
    """torchvision's: (row, column, height, width). `draw` gives the stream's words one after the other."""
    low, high = np.log(3 / 4), np.log(4 / 3)

    def uniform():
        return (next(draw) >> 11) * 2.0 ** -53

    for _ in range(10):
        area = height * width * (smallest_area + (1 - smallest_area) * uniform())
        ratio = np.exp(low + (high - low) * uniform())
        w, h = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < w <= width and 0 < h <= height:
            row = int(below(next(draw), height - h + 1))
            return row, int(below(next(draw), width - w + 1)), h, w
    w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    return (height - h) // 2, (width - w) // 2, h, w


class Files(torch.utils.data.Dataset):
    """JPEG files, decoded by Pillow; keys are (image, epoch), epoch None for a central crop."""

    def __init__(self, files, side, seed, recipe):
        self.files, self.side, self.seed = files, side, seed
        self.smallest, self.flips = recipe.get("smallest_crop", 0.08), recipe["flip"]

    def __len__(self):
        return len(self.files)

    def __getitem__(self, key):
        from PIL import Image
        (path, label), epoch = self.files[key[0]], key[1]
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        (width, height), side, flip = picture.size, self.side, False
        if epoch is None:
            short = round(side * 256 / 224)
            size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
            left, top = (round((length - side) / 2) for length in size)
            picture = picture.resize(size, Image.BILINEAR).crop((left, top, left + side, top + side))
        else:
            draw = iter(words(self.seed, AUGMENTATION, epoch, [key[0]], 42)[0].tolist())
            flip = self.flips and int(below(next(draw), 2)) == 1
            row, column, h, w = random_resized_crop(draw, height, width, self.smallest)
            picture = picture.crop((column, row, column + w, row + h)).resize((side, side), Image.BILINEAR)
        pixels = np.array(picture)
        return torch.from_numpy(pixels[:, ::-1].copy() if flip else pixels), label


class ImageNetFiles:
    """ImageNet or some of its classes: DIR/train/n01440764/*.JPEG and DIR/val likewise. Crops are the suite's, their pixels Pillow's."""

    def __init__(self, folder, recipe, seed, device, classes=None, workers=4):
        listed = classes or os.path.join(folder, "classes.txt")
        if os.path.exists(listed):
            with open(listed) as file:
                lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
            pairs = [(int(word), wnid) if word.isdigit() else (int(wnid), word) for word, wnid in (line[:2] for line in lines)]
            wnids = [wnid for _, wnid in sorted(pairs)]
        else:
            wnids = sorted(name for name in os.listdir(os.path.join(folder, "train")) if re.fullmatch(r"n\d{8}", name))

        def files(split):
            return [(os.path.join(folder, split, wnid, name), label) for label, wnid in enumerate(wnids)
                    for name in sorted(os.listdir(os.path.join(folder, split, wnid)))
                    if name.lower().endswith((".jpeg", ".jpg")) and not name.startswith(".")]

        self.classes = wnids
        self.train, self.test = (Files(files(split), recipe["image_size"], seed, recipe) for split in ("train", "val"))
        self.table, self.seed, self.workers, self.device = normalization_table("ImageNet").to(device), seed, workers, device

    @property
    def count(self):
        return len(self.train)

    def checksum(self):
        """Of the training images' names and classes (ImageFiles.checksum): files of 144 GB are not read for it."""
        lines = (f"{label}/{os.path.basename(path)}\n" for path, label in self.train.files)
        return f"{zlib.crc32(''.join(lines).encode()):08x}"

    def training_batches(self, epoch, size, first=0):
        order = shuffled_order(self.count, self.seed, epoch).tolist()
        starts = range(first * size, self.count, size)
        return self._batches(self.train, [[(i, epoch) for i in order[start:start + size]] for start in starts])

    def test_batches(self, size):
        return self._batches(self.test, [[(i, None) for i in range(start, min(start + size, len(self.test)))]
                                         for start in range(0, len(self.test), size)])

    def _batches(self, files, keys):
        loader = torch.utils.data.DataLoader(files, batch_sampler=keys, num_workers=self.workers, pin_memory=self.device.type == "cuda")
        for pixels, labels in loader:
            yield pixels.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)

    def training(self, pixels, labels):
        return normalized(pixels, self.table), labels

    test_images = training
