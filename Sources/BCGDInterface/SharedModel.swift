// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import CBCGD
import Foundation

/// An open model that several threads run at the same time: a classifier for each of them, handed out one by one. All memory is
/// taken when it is made.
final class SharedModel: @unchecked Sendable {  // what changes is under the lock
    private let model: PackedModel
    private let classifiers: [Classifier]
    /// Places of those that nobody uses.
    private var free: [Int]
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let returned: UnsafeMutablePointer<pthread_cond_t>

    let description: bcgd_description
    let units: [bcgd_unit]
    private let texts: [UnsafeMutablePointer<CChar>?]

    init(_ model: PackedModel, threads: Int, callers: Int) throws {
        let first = try Classifier(model, threads: threads)
        (self.model, classifiers) = (model, [first] + (try (1..<callers).map { _ in try Classifier(sharing: first) }))
        free = Array(0..<callers)
        (lock, returned) = (.allocate(capacity: 1), .allocate(capacity: 1))  // nothing throws from here on
        pthread_mutex_init(lock, nil)
        pthread_cond_init(returned, nil)
        texts = ([model.classes.joined(separator: "\n"), model.provenance] + model.units.map(\.name)).map { strdup($0) }
        description = Self.described(model, threads: threads, callers: callers, classNames: texts[0], provenance: texts[1])
        units = model.units.indices.map { [texts] in Self.described(model, unit: $0, name: texts[2 + $0]) }
    }

    deinit {
        pthread_cond_destroy(returned)
        pthread_mutex_destroy(lock)
        returned.deallocate()
        lock.deallocate()
        for text in texts { Foundation.free(text) }
    }

    /// - Parameters:
    ///   - images: bytes `[count, H, W, C]`.
    ///   - scores: `[count, classes]`.
    func run(_ images: UnsafePointer<UInt8>, count: Int, into scores: UnsafeMutablePointer<Float>) {
        pthread_mutex_lock(lock)
        while free.isEmpty { pthread_cond_wait(returned, lock) }
        let place = free.removeLast()
        pthread_mutex_unlock(lock)
        classifiers[place].scores(of: images, count: count, into: scores)
        pthread_mutex_lock(lock)
        free.append(place)
        pthread_cond_signal(returned)
        pthread_mutex_unlock(lock)
    }

    /// - Returns: how many numbers of a kind the unit has; `nil` for none, or more than there is room for.
    func numbers(_ unit: Int, kind: Int32, into: UnsafeMutableRawPointer?, capacity: Int) -> Int? {
        let described = model.units[unit], hasWeights = described.kind != .maximum, isFloat = described.weightBits == 32
        func copied<T>(_ numbers: [T]) -> Int? {
            guard let into else { return numbers.count }
            guard numbers.count <= capacity else { return nil }
            numbers.withUnsafeBytes { if let start = $0.baseAddress { into.copyMemory(from: start, byteCount: $0.count) } }
            return numbers.count
        }
        switch Int(kind) {
        case Int(BCGD_INTEGER_WEIGHTS) where hasWeights && !isFloat: return copied(model.integerWeights(unit))
        case Int(BCGD_FLOAT_WEIGHTS) where hasWeights: return copied(model.floatWeights(unit))
        case Int(BCGD_SCALES) where hasWeights && !isFloat: return copied(model.scales(unit))
        case Int(BCGD_FACTORS) where hasWeights && described.kind != .classifier: return copied(model.a(unit))
        case Int(BCGD_TERMS) where hasWeights: return copied(model.b(unit))
        default: return nil
        }
    }

    private static func described(
        _ model: PackedModel, threads: Int, callers: Int, classNames: UnsafePointer<CChar>?, provenance: UnsafePointer<CChar>?
    ) -> bcgd_description {
        var resize: Int32 = 0
        if case .centerCrop(let side) = model.fitting { resize = Int32(side) }
        return bcgd_description(
            height: Int32(model.input.height), width: Int32(model.input.width), channels: Int32(model.input.channels), resize: resize,
            classes: Int32(model.classes.count), units: Int32(model.units.count), threads: Int32(threads), callers: Int32(callers),
            mean: four(model.mean), std: four(model.std), file_bytes: UInt64(model.byteCount), multiply_adds: UInt64(model.multiplyAdds),
            class_names: classNames, provenance: provenance)
    }

    private static func four(_ values: [Float]) -> (Float, Float, Float, Float) { (values[0], values[1], values[2], values[3]) }

    private static func described(_ model: PackedModel, unit index: Int, name: UnsafePointer<CChar>?) -> bcgd_unit {
        let (unit, shape) = (model.units[index], model.shapes[index])
        return bcgd_unit(
            name: name, kind: Int32(unit.kind.rawValue), kernel: Int32(unit.kernel), stride: Int32(unit.stride),
            padding: Int32(unit.padding),
            weight_bits: Int32(unit.weightBits), activation_bits: Int32(unit.activationBits), shortcut: Int32(unit.shortcut.rawValue),
            shortcut_stride: Int32(unit.shortcutStride), input: Int32(unit.input), shortcut_input: Int32(unit.shortcutInput),
            input_channels: Int32(model.inputShape(index).channels), height: Int32(shape.height), width: Int32(shape.width),
            channels: Int32(shape.channels), scales: Int32(unit.scaleCount), step: unit.step, step_size: unit.stepSize)
    }
}
