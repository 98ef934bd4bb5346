# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX Runtime for the inference benchmark: quantizes a model, or describes it in one line of JSON and answers "go K" lines."""
import argparse
import json
import resource
import sys
import time

import numpy as np
import onnxruntime as ort


def quantize(source, target, per_channel):
    """Static QDQ quantization, u8 activations and s8 weights (what ONNX Runtime advises for VNNI), calibrated on noise like images."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            shape = [8] + ort.InferenceSession(source, providers=["CPUExecutionProvider"]).get_inputs()[0].shape[1:]
            generator = np.random.default_rng(1)
            self.batches = iter([{"image": generator.standard_normal(shape, dtype=np.float32)} for _ in range(4)])

        def get_next(self):
            return next(self.batches, None)

    quantize_static(source, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=per_channel,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--quantize", metavar="TARGET", help="write the quantized model there and end")
    parser.add_argument("--per-channel", action="store_true")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.quantize:
        return quantize(options.model, options.quantize, options.per_channel)
    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
    session = ort.InferenceSession(options.model, settings, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    images = np.random.default_rng(1).standard_normal([options.batch] + image.shape[1:], dtype=np.float32)
    print(json.dumps({"batch": options.batch, "threads": options.threads}), flush=True)
    for line in sys.stdin:
        count, start = int(line.split()[1]), time.perf_counter()
        for _ in range(count):
            scores = session.run(None, {"image": images})[0]
        milliseconds = 1e3 * (time.perf_counter() - start) / count
        print(json.dumps({"milliseconds": milliseconds, "loss": float(scores[0, 0]),
                          "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}), flush=True)


if __name__ == "__main__":
    main()
