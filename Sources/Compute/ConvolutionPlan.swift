// SPDX-License-Identifier: GPL-3.0-or-later
import COneDNN
import Graph

/// One pass of a convolution, ready to run: the primitive, its memories, and the copy between the plain
/// weight layout and the one oneDNN prefers (`nil` where they are the same).
struct ConvolutionPass {
    let primitive: Primitive
    let source, target, weightPlain: Memory
    let bias: Memory?
    let reorder: Primitive?
}

/// oneDNN's primitives of one convolution for one batch size, each made at its first use. Maps are of type `maps`, f32 or
/// bf16; so are the packed weights; the plain weights and all gradients of weights are f32.
final class ConvolutionPlan {
    private let engine: Engine
    private let hasBias: Bool
    private var source, target, weight, weightGradient, weightPlain, bias: dnnl_memory_desc_t
    private let strides, padding: [dnnl_dim_t]
    private var forwardDescription: dnnl_primitive_desc_t?
    private var passes: [Int32: ConvolutionPass] = [:]

    init(_ shape: ConvolutionShape, hasBias: Bool, maps: dnnl_data_type_t, batch: Int, engine: Engine) throws {
        (self.engine, self.hasBias) = (engine, hasBias)
        let (input, output) = (shape.input, shape.output)
        let weightShape = [shape.outputChannels, input.channels, shape.kernel, shape.kernel]
        // oneDNN names dimensions N, C, H, W whatever the layout; the tag says channels-last.
        source = try Memory.layout([batch, input.channels, input.height, input.width], dnnl_nhwc, maps)
        target = try Memory.layout([batch, output.channels, output.height, output.width], dnnl_nhwc, maps)
        weight = try Memory.layout(weightShape, dnnl_format_tag_any, maps)
        weightGradient = try Memory.layout(weightShape, dnnl_format_tag_any)
        weightPlain = try Memory.layout(weightShape, dnnl_oihw)
        bias = try Memory.layout([shape.outputChannels], dnnl_a)
        strides = [dnnl_dim_t](repeating: dnnl_dim_t(shape.stride), count: 2)
        padding = [dnnl_dim_t](repeating: dnnl_dim_t(shape.padding), count: 2)
    }

    deinit { dnnl_primitive_desc_destroy(forwardDescription) }

    func forward() throws -> ConvolutionPass {
        if let pass = passes[DNNL_ARG_DST] { return pass }
        return try make(
            forwardHint(), key: DNNL_ARG_DST, weightQuery: dnnl_query_weights_md,
            arguments: (DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WEIGHTS, hasBias ? DNNL_ARG_BIAS : nil))
    }

    func backwardInput() throws -> ConvolutionPass {
        if let pass = passes[DNNL_ARG_DIFF_SRC] { return pass }
        var operation = dnnl_convolution_desc_t()
        try check(
            dnnl_convolution_backward_data_desc_init(
                &operation, dnnl_convolution_direct, &source, &weight, &target, strides, padding, padding),
            "convolution, input gradient")
        return try make(
            description(&operation, hint: forwardHint()), key: DNNL_ARG_DIFF_SRC, weightQuery: dnnl_query_weights_md,
            arguments: (DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, nil))
    }

    func backwardWeight() throws -> ConvolutionPass {
        if let pass = passes[DNNL_ARG_DIFF_WEIGHTS] { return pass }
        var operation = dnnl_convolution_desc_t()
        let status = withUnsafePointer(to: bias) {
            dnnl_convolution_backward_weights_desc_init(
                &operation, dnnl_convolution_direct, &source, &weightGradient, hasBias ? $0 : nil, &target, strides, padding,
                padding)
        }
        try check(status, "convolution, weight gradient")
        return try make(
            description(&operation, hint: forwardHint()), key: DNNL_ARG_DIFF_WEIGHTS, weightQuery: dnnl_query_diff_weights_md,
            arguments: (DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, hasBias ? DNNL_ARG_DIFF_BIAS : nil))
    }

    /// The forward description: it makes the forward primitive and is oneDNN's hint for the backward ones.
    private func forwardHint() throws -> dnnl_primitive_desc_t {
        if let forwardDescription { return forwardDescription }
        var operation = dnnl_convolution_desc_t()
        let status = withUnsafePointer(to: bias) {
            dnnl_convolution_forward_desc_init(
                &operation, dnnl_forward_training, dnnl_convolution_direct, &source, &weight, hasBias ? $0 : nil, &target,
                strides, padding, padding)
        }
        try check(status, "convolution")
        let description = try description(&operation, hint: nil)
        forwardDescription = description
        return description
    }

    private func description(
        _ operation: inout dnnl_convolution_desc_t, hint: dnnl_primitive_desc_t?
    ) throws -> dnnl_primitive_desc_t {
        engine.claimThreads()
        var description: dnnl_primitive_desc_t?
        try check(dnnl_primitive_desc_create(&description, &operation, nil, engine.handle, hint), "convolution")
        guard let description else { throw ComputeError(dnnl_unimplemented, in: "convolution") }
        return description
    }

    private func make(
        _ description: dnnl_primitive_desc_t, key: Int32, weightQuery: dnnl_query_t,
        arguments: (source: Int32, target: Int32, weight: Int32, bias: Int32?)
    ) throws -> ConvolutionPass {
        // The forward description lives on as the hint of the backward ones.
        defer { if key != DNNL_ARG_DST { dnnl_primitive_desc_destroy(description) } }
        guard let preferred = dnnl_primitive_desc_query_md(description, weightQuery, 0)?.pointee else {
            throw ComputeError(dnnl_unimplemented, in: "convolution's weight layout")
        }
        let plain = try Memory(weightPlain, engine: engine)
        let same = withUnsafePointer(to: preferred) { dnnl_memory_desc_equal($0, &weightPlain) } != 0
        let packed = same ? plain : try Memory(preferred, engine: engine, owned: true)
        let isGradient = weightQuery == dnnl_query_diff_weights_md
        let reorder =
            same
            ? nil
            : try isGradient
                ? Primitive.reorder(from: packed, to: plain, engine: engine)
                : Primitive.reorder(from: plain, to: packed, engine: engine)
        let (x, y) = (try Memory(source, engine: engine), try Memory(target, engine: engine))
        var bound = [(arguments.source, x), (arguments.target, y), (arguments.weight, packed)]
        let b = try arguments.bias.map { _ in try Memory(bias, engine: engine) }
        if let b, let slot = arguments.bias { bound.append((slot, b)) }
        let pass = ConvolutionPass(
            primitive: try Primitive(description, arguments: bound), source: x, target: y, weightPlain: plain, bias: b,
            reorder: reorder)
        passes[key] = pass
        return pass
    }
}
