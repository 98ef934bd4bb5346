# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX Runtime for the inference benchmark: quantizes a model, or describes it in one line of JSON and answers "go K" lines."""
import argparse

import numpy as np
import onnxruntime as ort

from answers import add_size, answer, size
from inference_layers import CALIBRATION, images


def quantize(source, target, per_channel):
    """Static QDQ quantization, u8 activations and s8 weights (what ONNX Runtime advises for VNNI), calibrated on noise like images."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            shape = ort.InferenceSession(source, providers=["CPUExecutionProvider"]).get_inputs()[0].shape[1:]
            self.batches = iter([{"image": batch} for batch in np.split(images(CALIBRATION, shape), 4)])

        def get_next(self):
            return next(self.batches, None)

    quantize_static(source, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=per_channel,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--quantize", metavar="TARGET", help="write the quantized model there and end")
    parser.add_argument("--per-channel", action="store_true")
    add_size(parser)
    options = parser.parse_args()
    if options.quantize:
        return quantize(options.model, options.quantize, options.per_channel)
    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
    session = ort.InferenceSession(options.model, settings, providers=["CPUExecutionProvider"])
    pictures = images(options.batch, session.get_inputs()[0].shape[1:])
    answer(size(options), lambda: session.run(None, {"image": pictures})[0])


if __name__ == "__main__":
    main()
