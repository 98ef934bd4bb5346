# SPDX-License-Identifier: GPL-3.0-or-later
"""LiteRT (TensorFlow Lite) with XNNPACK for the inference benchmark: converts an exported ONNX file (form `unrounded`), or runs what it
wrote: describes it in one line of JSON and answers "go K" lines."""
import argparse

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from answers import add_size, answer, size
from inference_layers import CALIBRATION, FLOAT_TOLERANCE, INT8_TOLERANCE, images, layers, require_same


class Writer:
    """A .tflite file of float numbers for one image: values [image, row, column, channel], weights [out, row, column, in]."""

    def __init__(self, shape):
        self.operators, self.codes = [], []
        self.tensors, self.buffers, self.shapes = {}, [schema.BufferT()], {}
        self.tensor("image", [1, *shape[1:], shape[0]])

    def tensor(self, name, shape, kind=schema.TensorType.FLOAT32, data=None):
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name.encode(), list(shape), kind, 0
        if data is not None:
            made.buffer = len(self.buffers)
            self.buffers.append(schema.BufferT())
            self.buffers[-1].data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        self.tensors[name], self.shapes[name] = made, list(shape)
        return name

    def constant(self, name, array):
        kind = schema.TensorType.INT32 if array.dtype == np.int32 else schema.TensorType.FLOAT32
        return self.tensor(name, array.shape, kind, array)

    def operator(self, code, inputs, output, shape, options=None, **settings):
        """One operator; `options` names its table in the schema, `settings` the table's fields."""
        self.tensor(output, shape)
        if code not in self.codes:
            self.codes.append(code)
        made, names = schema.OperatorT(), list(self.tensors)
        made.opcodeIndex, made.inputs, made.outputs = self.codes.index(code), [names.index(i) for i in inputs], [names.index(output)]
        if options:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            made.builtinOptions = getattr(schema, f"{options}T")()
            for key, value in settings.items():
                setattr(made.builtinOptions, key, value)
        self.operators.append(made)
        return output

    def padded(self, layer, source):
        """The source as it is where TFLite's SAME pads like the layer, else with a border of zeros (ReLU's values are not below it)."""
        if not layer.padding or layer.stride == 1:
            return source, schema.Padding.SAME if layer.padding else schema.Padding.VALID
        batch, height, width, channels = self.shapes[source]
        edges = self.constant(f"{layer.output}/edges", np.array([[0, 0], [layer.padding] * 2, [layer.padding] * 2, [0, 0]], np.int32))
        shape = [batch, height + 2 * layer.padding, width + 2 * layer.padding, channels]
        padded = self.operator(schema.BuiltinOperator.PAD, [source, edges], f"{layer.output}/padded", shape, "PadOptions")
        return padded, schema.Padding.VALID

    def layer(self, layer):
        codes, source, output = schema.BuiltinOperator, layer.inputs[0], layer.output
        activation = schema.ActivationFunctionType.RELU if layer.relu else schema.ActivationFunctionType.NONE
        batch, height, width, channels = (self.shapes[source] + [1, 1, 1])[:4]
        side = lambda length: (length + 2 * layer.padding - layer.size) // layer.stride + 1
        window = {"strideW": layer.stride, "strideH": layer.stride}
        match layer.kind:
            case "conv":
                weight = self.constant(f"{output}/weight", layer.weight.transpose(0, 2, 3, 1))
                bias = self.constant(f"{output}/bias", layer.bias)
                source, padding = self.padded(layer, source)
                self.operator(codes.CONV_2D, [source, weight, bias], output, [batch, side(height), side(width), len(layer.bias)],
                    "Conv2DOptions", padding=padding, fusedActivationFunction=activation, **window)
            case "pool":
                source, padding = self.padded(layer, source)
                self.operator(codes.MAX_POOL_2D, [source], output, [batch, side(height), side(width), channels], "Pool2DOptions",
                    padding=padding, filterWidth=layer.size, filterHeight=layer.size, **window)
            case "sum":
                shortcut = layer.inputs[1]
                if layer.scale != 1:
                    factor = self.constant(f"{output}/factor", np.array(layer.scale, np.float32))
                    shortcut = self.operator(codes.MUL, [shortcut, factor], f"{output}/shortcut", self.shapes[shortcut], "MulOptions")
                self.operator(codes.ADD, [source, shortcut], output, self.shapes[source], "AddOptions", fusedActivationFunction=activation)
            case "mean":
                axes = self.constant(f"{output}/axes", np.array([1, 2], np.int32))
                self.operator(codes.MEAN, [source, axes], output, [batch, channels], "ReducerOptions", keepDims=False)
            case "dense":
                inputs = [source, self.constant(f"{output}/weight", layer.weight), self.constant(f"{output}/bias", layer.bias)]
                self.operator(codes.FULLY_CONNECTED, inputs, output, [batch, len(layer.bias)], "FullyConnectedOptions",
                    fusedActivationFunction=activation)

    def save(self, path):
        model, graph, signature, names = schema.ModelT(), schema.SubGraphT(), schema.SignatureDefT(), list(self.tensors)
        ends = {"image": names.index("image"), "scores": names.index("scores")}
        graph.tensors, graph.operators = list(self.tensors.values()), self.operators
        graph.inputs, graph.outputs, graph.name = [ends["image"]], [ends["scores"]], b"main"
        maps = {}
        for name, index in ends.items():
            maps[name] = schema.TensorMapT()
            maps[name].name, maps[name].tensorIndex = name.encode(), index
        signature.inputs, signature.outputs, signature.signatureKey = [maps["image"]], [maps["scores"]], b"serving_default"
        model.version, model.subgraphs, model.buffers, model.signatureDefs = 3, [graph], self.buffers, [signature]
        model.operatorCodes = []
        for code in self.codes:
            made = schema.OperatorCodeT()
            made.builtinCode = made.deprecatedBuiltinCode = code
            made.version = 1
            model.operatorCodes.append(made)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        with open(path, "wb") as file:
            file.write(builder.Output())


def convert(source, target, int8):
    """Writes a .tflite file; int8 by AI Edge Quantizer's static recipe: weights per output channel, ranges from noise like images."""
    shape, network = layers(source)
    writer = Writer(shape)
    for layer in network:
        writer.layer(layer)
    writer.save(target)
    pictures = images(4, shape)
    scores = lambda: infer(load(target, 1, len(pictures)), channels_last(pictures))
    require_same(source, pictures, scores(), FLOAT_TOLERANCE)
    if int8:
        from ai_edge_quantizer import algorithm_manager, qtyping, quantizer, recipe
        made = quantizer.Quantizer(target, recipe.static_wi8_ai8())
        for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):  # images and scores stay float
            made.update_quantization_recipe(".*", end, algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE)
        noise = np.split(channels_last(images(CALIBRATION, shape)), CALIBRATION)
        ranges = made.calibrate({"serving_default": [{"image": image} for image in noise]}, num_threads=1)
        made.quantize(ranges).export_model(target, overwrite=True)
        require_same(source, pictures, scores(), INT8_TOLERANCE)


def channels_last(pictures):
    return np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))


def load(path, threads, batch):
    """XNNPACK takes all operators of these networks; it is the interpreter's default."""
    interpreter = Interpreter(path, num_threads=threads)
    entry = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(entry["index"], [batch, *entry["shape"][1:]])
    interpreter.allocate_tensors()
    return interpreter


def infer(interpreter, pictures):
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pictures)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="what --convert wrote; with --convert the ONNX file")
    parser.add_argument("--convert", metavar="TARGET", help="write the converted model there and end")
    parser.add_argument("--int8", action="store_true", help="with --convert: quantized")
    add_size(parser)
    options = parser.parse_args()
    if options.convert:
        return convert(options.model, options.convert, options.int8)
    interpreter = load(options.model, options.threads, options.batch)
    height, width, channels = interpreter.get_input_details()[0]["shape"][1:]
    pictures = channels_last(images(options.batch, [channels, height, width]))
    answer(size(options), lambda: infer(interpreter, pictures))


if __name__ == "__main__":
    main()
