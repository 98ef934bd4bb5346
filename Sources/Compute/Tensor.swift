// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// A block of f32 numbers of fixed shape, 64-byte aligned, zero at creation, never moved.
///
/// Dimension letters, used throughout: `N` images of a batch, `H` rows, `W` columns, `C` channels;
/// `O` output and `I` input channels of a weight, `K` its side. Feature maps are `[N, H, W, C]`
/// (channels-last, row-major), convolution weights `[O, I, K, K]`, linear weights `[O, I]`.
/// Memory is planned once for the largest batch; a smaller batch uses the leading images.
public final class Tensor {
    public let shape: [Int]
    public let count: Int
    public let pointer: UnsafeMutablePointer<Float>
    /// The block that this one is a part of; `nil` for one with memory of its own.
    private let whole: Tensor?

    public init(_ shape: [Int]) {
        precondition(shape.allSatisfy { $0 > 0 }, "a tensor's dimensions are positive")
        self.shape = shape
        count = shape.reduce(1, *)
        let bytes = count * MemoryLayout<Float>.stride
        let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        raw.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        pointer = raw.bindMemory(to: Float.self, capacity: count)
        whole = nil
    }

    /// A part of another tensor's numbers, which lie there from `offset` on.
    public init(_ shape: [Int], partOf whole: Tensor, at offset: Int) {
        (self.shape, count, self.whole) = (shape, shape.reduce(1, *), whole)
        precondition(offset >= 0 && offset + count <= whole.count, "a part lies inside the whole")
        pointer = whole.pointer + offset
    }

    public convenience init(_ shape: [Int], _ values: [Float]) {
        self.init(shape)
        set(values)
    }

    deinit {
        if whole == nil { UnsafeMutableRawPointer(pointer).deallocate() }
    }

    public func set(_ values: [Float]) {
        precondition(values.count == count, "\(values.count) values for a tensor of shape \(shape)")
        pointer.update(from: values, count: count)
    }

    public func fill(_ value: Float) { pointer.update(repeating: value, count: count) }

    /// The numbers as they lie in memory.
    package var bytes: Data { Data(buffer: UnsafeBufferPointer(buffer)) }
    package var buffer: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: pointer, count: count) }

    /// The numbers, row-major.
    public var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
}
