// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Foundation

/// A model made ready to run: packed weights, and the place of every map in memory.
final class InferencePlan {
    let steps: [InferenceStep]
    /// Of all maps of one image together, and of the scratch of one worker.
    let mapBytes, scratchBytes: Int

    init(_ model: PackedModel, path: Classifier.Path) {
        var memory = MapMemory(model)
        var (steps, offsets): ([InferenceStep], [Int]) = ([], [])
        for (index, unit) in model.units.enumerated() {
            var subsampled: Int?
            if unit.shortcut == .subsampled {
                let offset = memory.place(model.shapes[index].count, lastUse: index, at: index)
                steps.append(.subsampling(model, unit: index, input: offsets[unit.shortcutInput], output: offset))
                subsampled = offset
            }
            let bytes = model.shapes[index].count * (unit.activationBits == 0 ? MemoryLayout<Float>.stride : 1)
            let output = unit.kind == .classifier ? 0 : memory.place(bytes, lastUse: memory.lastUse[index], at: index)
            let input = unit.input < 0 ? 0 : offsets[unit.input]
            let shortcut = subsampled ?? (unit.shortcut == .none ? nil : offsets[unit.shortcutInput])
            steps.append(.unit(model, index, path: path, input: input, shortcut: shortcut, output: output))
            offsets.append(output)
        }
        self.steps = steps
        mapBytes = memory.bytes
        scratchBytes = steps.map(\.scratchBytes).max() ?? 0
    }
}

/// Gives maps their places: those that are needed at the same time never overlap.
private struct MapMemory {
    /// The last unit that reads each unit's result.
    let lastUse: [Int]
    private(set) var bytes = 0
    private var taken: [(range: Range<Int>, lastUse: Int)] = []

    init(_ model: PackedModel) {
        var last = Array(model.units.indices)
        for (index, unit) in model.units.enumerated() {
            if unit.input >= 0 { last[unit.input] = index }
            if unit.shortcutInput >= 0 { last[unit.shortcutInput] = index }
        }
        lastUse = last
    }

    /// The lowest free place, a multiple of 64, for a map that unit `index` writes.
    mutating func place(_ count: Int, lastUse: Int, at index: Int) -> Int {
        taken.removeAll { $0.lastUse < index }
        taken.sort { $0.range.lowerBound < $1.range.lowerBound }
        let size = (count + 63) & ~63
        var start = 0
        for other in taken where other.range.lowerBound < start + size { start = max(start, other.range.upperBound) }
        taken.append((start..<start + size, lastUse))
        bytes = max(bytes, start + size)
        return start
    }
}

/// Memory of one worker, 64-byte aligned.
final class Arena {
    let maps, scratch: UnsafeMutableRawPointer

    init(maps: Int, scratch: Int) {
        func room(_ bytes: Int) -> UnsafeMutableRawPointer {
            let room = UnsafeMutableRawPointer.allocate(byteCount: max(bytes, 1), alignment: 64)
            room.initializeMemory(as: UInt8.self, repeating: 0, count: max(bytes, 1))
            return room
        }
        (self.maps, self.scratch) = (room(maps), room(scratch))
    }

    deinit {
        maps.deallocate()
        scratch.deallocate()
    }
}

/// Numbers copied once, 64-byte aligned.
final class Table<Element: BitwiseCopyable> {
    let pointer: UnsafeMutablePointer<Element>

    init(count: Int, zero: Element) {
        let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * MemoryLayout<Element>.stride, alignment: 64)
        pointer = raw.bindMemory(to: Element.self, capacity: max(count, 1))
        pointer.initialize(repeating: zero, count: max(count, 1))
    }

    convenience init(_ values: [Element], zero: Element) {
        self.init(count: values.count, zero: zero)
        pointer.update(from: values, count: values.count)
    }

    deinit { UnsafeMutableRawPointer(pointer).deallocate() }
}
