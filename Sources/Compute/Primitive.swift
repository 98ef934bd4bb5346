// SPDX-License-Identifier: GPL-3.0-or-later
import COneDNN

/// A oneDNN memory: a layout, and a data pointer that is set before each use.
final class Memory {
    let handle: dnnl_memory_t
    let layout: dnnl_memory_desc_t

    /// - Parameter owned: lets oneDNN allocate the data; otherwise `point(at:)` comes before each use.
    init(_ layout: dnnl_memory_desc_t, engine: Engine, owned: Bool = false) throws {
        var (memory, layout): (dnnl_memory_t?, _) = (nil, layout)
        // DNNL_MEMORY_ALLOCATE is (void *)-1, DNNL_MEMORY_NONE is null: macros that Swift does not import.
        let data = owned ? UnsafeMutableRawPointer(bitPattern: -1) : nil
        try check(dnnl_memory_create(&memory, &layout, engine.handle, data), "memory")
        guard let memory else { throw ComputeError(dnnl_out_of_memory, in: "memory") }
        (handle, self.layout) = (memory, layout)
    }

    deinit { dnnl_memory_destroy(handle) }

    func point(at data: UnsafeMutableRawPointer) throws {
        try check(dnnl_memory_set_data_handle(handle, data), "memory")
    }

    static func layout(
        _ dimensions: [Int], _ tag: dnnl_format_tag_t, _ type: dnnl_data_type_t = dnnl_f32
    ) throws -> dnnl_memory_desc_t {
        var layout = dnnl_memory_desc_t()
        let dims = dimensions.map { dnnl_dim_t($0) }
        try check(dnnl_memory_desc_init_by_tag(&layout, Int32(dims.count), dims, type, tag), "layout of \(dimensions)")
        return layout
    }
}

/// A oneDNN primitive bound to its memories: made once, executed every step.
final class Primitive {
    private let handle: dnnl_primitive_t
    private let arguments: [dnnl_exec_arg_t]
    private let memories: [Memory]  // kept alive as long as the arguments that point to them

    init(_ description: dnnl_primitive_desc_t, arguments: [(Int32, Memory)]) throws {
        var primitive: dnnl_primitive_t?
        try check(dnnl_primitive_create(&primitive, description), "primitive")
        guard let primitive else { throw ComputeError(dnnl_out_of_memory, in: "primitive") }
        handle = primitive
        self.arguments = arguments.map { dnnl_exec_arg_t(arg: $0.0, memory: $0.1.handle) }
        memories = arguments.map(\.1)
    }

    deinit { dnnl_primitive_destroy(handle) }

    func execute(on engine: Engine) throws {
        engine.claimThreads()
        try check(dnnl_primitive_execute(handle, engine.stream, Int32(arguments.count), arguments), "execute")
        try check(dnnl_stream_wait(engine.stream), "wait")
    }

    static func reorder(from source: Memory, to target: Memory, engine: Engine) throws -> Primitive {
        var description: dnnl_primitive_desc_t?
        var (from, to) = (source.layout, target.layout)
        try check(
            dnnl_reorder_primitive_desc_create(&description, &from, engine.handle, &to, engine.handle, nil), "reorder")
        guard let description else { throw ComputeError(dnnl_unimplemented, in: "reorder") }
        defer { dnnl_primitive_desc_destroy(description) }
        return try Primitive(description, arguments: [(DNNL_ARG_FROM, source), (DNNL_ARG_TO, target)])
    }
}
