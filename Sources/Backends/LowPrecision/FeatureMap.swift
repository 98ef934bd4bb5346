// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Compute
import Graph

/// A buffer of numbers of one type, planned once; 64-byte aligned, zero at creation.
final class Buffer<Element: BitwiseCopyable> {
    let pointer: UnsafeMutablePointer<Element>
    private let raw: UnsafeMutableRawPointer

    init(_ count: Int, zero: Element) {
        raw = .allocate(byteCount: max(count, 1) * MemoryLayout<Element>.stride, alignment: 64)
        pointer = raw.bindMemory(to: Element.self, capacity: max(count, 1))
        pointer.update(repeating: zero, count: max(count, 1))
    }

    deinit { raw.deallocate() }
}

/// What flows forward between the layers of a network in mixed precision: `[N, H, W, C]`, in units of the step size α where
/// a quantized ReLU made it: levels as u8 (`CK_U8`), or bf16 (`CK_BF16`), which holds levels exactly and rounds values; or f32
/// (`CK_F32`), what a projected shortcut adds to integers without rounding them.
struct FeatureMap {
    let shape: FeatureShape
    let type: ck_number
    /// The parameter that holds α, shape `[1]`; none for values.
    let stepSize: Parameter?
    private let storage: Buffer<UInt16>

    init(_ shape: FeatureShape, _ type: ck_number, stepSize: Parameter?, batch: Int) {
        precondition([CK_U8, CK_BF16, CK_F32].contains(type))
        (self.shape, self.type, self.stepSize) = (shape, type, stepSize)
        let count = shape.count * batch
        storage = Buffer((count * type.bytes + 1) / 2, zero: 0)
    }

    /// What one of the map is worth.
    var unit: Float { stepSize?.value.pointer[0] ?? 1 }
    var pointer: UnsafeMutableRawPointer { UnsafeMutableRawPointer(storage.pointer) }
    var levels: UnsafePointer<UInt8> {
        precondition(type == CK_U8)
        return UnsafePointer(pointer.assumingMemoryBound(to: UInt8.self))
    }
    var bf16: UnsafePointer<UInt16> {
        precondition(type == CK_BF16)
        return UnsafePointer(storage.pointer)
    }
}

/// What flows backward: the gradient of the loss in the values of a map, bf16 `[N, H, W, C]`; where `shortcut` is set, the
/// gradient is the sum of the two.
struct GradientMap {
    let values: Buffer<UInt16>
    var shortcut: Buffer<UInt16>?
}

/// The gradient in a convolution's results, `[N, H, W, C]`: bf16, or integers of 16 bits up to `limit` in magnitude, times a common scale.
enum AccGradient {
    case bf16(Buffer<UInt16>), s16(Buffer<UInt16>, limit: Int)

    var values: Buffer<UInt16> {
        switch self {
        case .bf16(let values), .s16(let values, _): values
        }
    }
    var integers: UnsafeMutablePointer<Int16> { UnsafeMutableRawPointer(values.pointer).assumingMemoryBound(to: Int16.self) }
}
