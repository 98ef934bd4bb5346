# SPDX-License-Identifier: GPL-3.0-or-later
"""ncnn for the inference benchmark: converts an exported ONNX file (form `unrounded`), or runs what it wrote: describes it in one line
of JSON and answers "go K" lines.  ncnn has no batches on a processor: images of a batch follow one another."""
import argparse
from collections import Counter

import ncnn
import numpy as np

from answers import add_size, answer, size
from inference_layers import CALIBRATION, FLOAT_TOLERANCE, INT8_TOLERANCE, images, layers, require_same, run_by_onnxruntime

INT8 = np.uint32(0x000D4B38)  # ncnn's mark of weights of one byte


def convert(source, target, int8):
    """Writes `target` (weights) and `target`.param (layers).

    int8: the files that ncnn2table (method minmax, on noise like images) and ncnn2int8 make, which no package has: weights by their
    largest value per output channel, inputs of a convolution by their largest; one that only a convolution reads stays int8 (requantized).
    """
    shape, network = layers(source)
    readers, lines, blobs, weights = Counter(i for layer in network for i in layer.inputs), [], set(), []
    largest = {}
    if int8:
        names = sorted({layer.inputs[0] for layer in network if layer.kind in ("conv", "dense")})
        for picture in np.split(images(CALIBRATION, shape), 4):
            for name, value in zip(names, run_by_onnxruntime(source, picture, names)):
                largest[name] = max(largest.get(name, 0.0), float(np.abs(value).max()))
    seen = Counter()

    def write(kind, name, inputs, outputs, *parameters):
        lines.append(f"{kind} {name} {len(inputs)} {len(outputs)} {' '.join([*inputs, *outputs, *parameters])}")
        blobs.update(outputs)

    def take(name):
        seen[name] += 1
        return name if readers[name] == 1 else f"{name}_{seen[name]}"

    def give(kind, layer, inputs, *parameters):
        write(kind, layer.output, inputs, [layer.output], *parameters)
        if readers[layer.output] > 1:
            write("Split", f"{layer.output}_split", [layer.output], [f"{layer.output}_{n + 1}" for n in range(readers[layer.output])])

    def weigh(layer, following):
        """The weights' part of the file, and the parameter that says how they are scaled."""
        if not int8:
            weights.extend([np.uint32(0), layer.weight, layer.bias])
            return "8=0"
        top = np.abs(layer.weight).reshape(len(layer.weight), -1).max(1)
        scales = np.where(top > 0, 127 / np.maximum(top, 1e-30), 1).astype(np.float32)
        rounded = np.clip(np.rint(layer.weight * scales.reshape(-1, *[1] * (layer.weight.ndim - 1))), -127, 127).astype(np.int8)
        weights.extend([INT8, rounded, bytes(-rounded.size % 4), layer.bias, scales, np.float32(127 / largest[layer.inputs[0]])])
        if not following:
            return "8=2"
        weights.append(np.float32(127 / largest[layer.output]))
        return "8=102"

    write("Input", "image", [], ["image"])
    for layer in network:
        inputs = [take(name) for name in layer.inputs]
        match layer.kind:
            case "conv":
                following = all(other.kind == "conv" for other in network if layer.output in other.inputs)
                give("Convolution", layer, inputs, f"0={len(layer.weight)}", f"1={layer.size}", f"3={layer.stride}",
                     f"4={layer.padding}", "5=1", f"6={layer.weight.size}", weigh(layer, following), f"9={int(layer.relu)}")
            case "dense":
                give("InnerProduct", layer, inputs, f"0={len(layer.weight)}", "1=1", f"2={layer.weight.size}", weigh(layer, False))
            case "pool":
                give("Pooling", layer, inputs, "0=0", f"1={layer.size}", f"2={layer.stride}", f"3={layer.padding}", "5=1")
            case "mean":
                give("Pooling", layer, inputs, "0=1", "4=1")
            case "sum":
                write("Eltwise", f"{layer.output}_sum", inputs, [f"{layer.output}_sum"], "0=1", f"-23301=2,1.0,{layer.scale:.9e}")
                give("ReLU", layer, [f"{layer.output}_sum"])
    with open(f"{target}.param", "w") as file:
        file.write("\n".join(["7767517", f"{len(lines)} {len(blobs)}", *lines]) + "\n")
    with open(target, "wb") as file:
        file.write(b"".join(part if isinstance(part, bytes) else part.tobytes() for part in weights))
    pictures = images(4, shape)
    scores = np.stack([infer(load(target), picture) for picture in pictures])
    require_same(source, pictures, scores, INT8_TOLERANCE if int8 else FLOAT_TOLERANCE)


def load(path, threads=1, winograd="default"):
    net = ncnn.Net()
    net.opt.num_threads = threads
    # f32 as elsewhere; weights kept as fp16 save no time here.
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    if winograd != "default":
        net.opt.use_winograd_convolution = winograd == "23"
        net.opt.use_winograd43_convolution = net.opt.use_winograd63_convolution = False
    if net.load_param(f"{path}.param") or net.load_model(path):
        raise SystemExit(f"error: ncnn does not load {path}")
    return net


def infer(net, picture):
    extractor = net.create_extractor()
    extractor.input("image", ncnn.Mat(picture))
    status, scores = extractor.extract("scores")
    if status:
        raise SystemExit(f"error: ncnn ends with status {status}")
    return np.array(scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="what --convert wrote; with --convert the ONNX file")
    parser.add_argument("--convert", metavar="TARGET", help="write the converted model there and end")
    parser.add_argument("--int8", action="store_true", help="with --convert: quantized")
    parser.add_argument("--winograd", choices=("default", "23", "none"), default="default", help="the convolutions by Winograd's method")
    parser.add_argument("--side", type=int, default=224, help="of an image (default: %(default)s)")
    add_size(parser)
    options = parser.parse_args()
    if options.convert:
        return convert(options.model, options.convert, options.int8)
    net, pictures = load(options.model, options.threads, options.winograd), images(options.batch, [3, options.side, options.side])

    def batch():
        for picture in pictures:
            scores = infer(net, picture)
        return scores

    answer(size(options), batch)


if __name__ == "__main__":
    main()
