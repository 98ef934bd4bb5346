// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Foundation
import Parallelism

/// A model made ready to run: packed weights, and the place of every map in memory.
final class InferencePlan {
    let steps: [InferenceStep]
    /// Of all maps of one image together, and of the scratch of one worker.
    let mapBytes, scratchBytes: Int

    init(_ model: PackedModel, path: Classifier.Path) {
        let places = MapPlaces(model.units, model.shapes)
        var steps: [InferenceStep] = []
        for (index, unit) in model.units.enumerated() {
            let subsampled = places.subsampled[index]
            if let subsampled {
                steps.append(.subsampling(model, unit: index, input: places.results[unit.shortcutInput], output: subsampled))
            }
            var input = unit.input < 0 ? 0 : places.results[unit.input]
            if let place = places.patches[index], let patches = Patches(unit, from: model.inputShape(index)) {
                steps.append(.patches(patches.shape, rows: model.shapes[index].height, input: input, output: place))
                input = place
            }
            let shortcut = subsampled ?? (unit.shortcut == .none ? nil : places.results[unit.shortcutInput])
            steps.append(.unit(model, index, path: path, input: input, shortcut: shortcut, output: places.results[index]))
        }
        self.steps = steps
        mapBytes = places.bytes
        scratchBytes = steps.map(\.scratchBytes).max() ?? 0
    }

    /// One for each thread. The system would end the process where it cannot give the memory, so that is asked before.
    func arenas(threads: Int) throws -> [Arena] {
        try AvailableMemory.expect(threads * (mapBytes + scratchBytes), of: .now(), for: "the maps of \(threads) threads")
        return (0..<threads).map { _ in Arena(maps: mapBytes, scratch: scratchBytes) }
    }
}

/// The places of all maps in one piece of memory, multiples of 64: those that are needed at the same time never overlap.
struct MapPlaces {
    /// Of each unit's result, of its shortcut after subsampling, and of its input as patches; a classifier's scores lie elsewhere.
    private(set) var results: [Int] = []
    private(set) var subsampled: [Int?] = [], patches: [Int?] = []
    private(set) var bytes = 0
    private var taken: [(range: Range<Int>, lastUse: Int)] = []

    init(_ units: [PackedModel.Unit], _ shapes: [PackedModel.Shape]) {
        // The last unit that reads each unit's result.
        var last = Array(units.indices)
        for (index, unit) in units.enumerated() {
            if unit.input >= 0 { last[unit.input] = index }
            if unit.shortcutInput >= 0 { last[unit.shortcutInput] = index }
        }
        for (index, unit) in units.enumerated() {
            subsampled.append(unit.shortcut == .subsampled ? place(shapes[index].count, lastUse: index, at: index) : nil)
            let copied = unit.input < 0 ? nil : Patches(unit, from: shapes[unit.input]).flatMap { $0.isTheMap ? nil : $0 }
            patches.append(copied.map { place(shapes[index].height * shapes[index].width * $0.channels, lastUse: index, at: index) })
            let size = shapes[index].count * (unit.activationBits == 0 ? MemoryLayout<Float>.stride : 1)
            results.append(unit.kind == .classifier ? 0 : place(size, lastUse: last[index], at: index))
        }
    }

    /// The lowest free place for a map that unit `index` writes.
    private mutating func place(_ count: Int, lastUse: Int, at index: Int) -> Int {
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
