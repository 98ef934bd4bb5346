# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenVINO for the inference benchmark: describes a model in one line of JSON and answers "go K" lines."""
import argparse
import sys

import openvino as ov

from answers import add_size, answer, size
from inference_layers import images


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--precision", choices=("f32", "bf16", "default"), default="default", help="of what is not quantized")
    add_size(parser)
    options = parser.parse_args()
    core = ov.Core()
    if options.precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        sys.exit("error: OpenVINO finds no bf16 instructions")
    model = core.read_model(options.model)
    pictures = images(options.batch, [side.get_length() for side in list(model.inputs[0].partial_shape)[1:]])
    model.reshape(list(pictures.shape))
    settings = {"INFERENCE_NUM_THREADS": options.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    if options.precision != "default":
        settings["INFERENCE_PRECISION_HINT"] = options.precision
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(ov.Tensor(pictures))

    def infer():
        request.infer()
        return request.get_output_tensor().data

    answer(size(options), infer)


if __name__ == "__main__":
    main()
