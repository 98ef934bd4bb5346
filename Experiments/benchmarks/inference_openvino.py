# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenVINO for the inference benchmark: describes a model in one line of JSON and answers "go K" lines."""
import argparse
import json
import resource
import sys
import time

import numpy as np
import openvino as ov


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--precision", choices=("f32", "bf16", "default"), default="default", help="of what is not quantized")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    core = ov.Core()
    if options.precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        sys.exit("error: OpenVINO finds no bf16 instructions")
    model = core.read_model(options.model)
    shape = [options.batch] + [side.get_length() for side in list(model.inputs[0].partial_shape)[1:]]
    model.reshape(shape)
    settings = {"INFERENCE_NUM_THREADS": options.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    if options.precision != "default":
        settings["INFERENCE_PRECISION_HINT"] = options.precision
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(ov.Tensor(np.random.default_rng(1).standard_normal(shape, dtype=np.float32)))
    print(json.dumps({"batch": options.batch, "threads": options.threads}), flush=True)
    for line in sys.stdin:
        count, start = int(line.split()[1]), time.perf_counter()
        for _ in range(count):
            request.infer()
        milliseconds = 1e3 * (time.perf_counter() - start) / count
        print(json.dumps({"milliseconds": milliseconds, "loss": float(request.get_output_tensor().data[0, 0]),
                          "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}), flush=True)


if __name__ == "__main__":
    main()
