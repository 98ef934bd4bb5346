// SPDX-License-Identifier: GPL-3.0-or-later
import Compute

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

/// What flows forward between the layers of a quantized network: levels `[N, H, W, C]`, u8, and the resolution α that turns
/// a level into a value.
struct LevelMap {
    let levels: Buffer<UInt8>
    let shape: FeatureShape
    /// The parameter that holds α, shape `[1]`.
    let resolution: Parameter

    var unit: Float { resolution.value.pointer[0] }
}

/// What flows backward: the gradient of the loss in the values of a map, bf16 `[N, H, W, C]`; where `shortcut` is set, the
/// gradient is the sum of the two.
struct GradientMap {
    let values: Buffer<UInt16>
    var shortcut: Buffer<UInt16>?
}
