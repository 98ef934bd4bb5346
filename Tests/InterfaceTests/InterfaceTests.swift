// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDInterface
import BCGDRuntime
import CAllocations
import CBCGD
import Foundation
import RandomModels
import Testing
import TestSupport

/// What C programs are promised (`bcgd.h`), called as they call it.
@Suite(.serialized) struct InterfaceTests {
    private let random = RandomModel(weightBits: 2, isScaledPerChannel: true)

    /// Opens a random model as a file, and gives it with what the Swift side computes.
    private func withModel(threads: Int32 = 1, callers: Int32 = 1, _ body: (OpaquePointer, PackedModel) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let model = try PackedModel(bytes: random.contents().encoded()), path = folder + "/model.bcgd"
            try model.write(to: path)
            var error = [CChar](repeating: 1, count: Int(BCGD_ERROR_BYTES))
            let opened = try #require(bcgd_open(path, threads, callers, &error))
            defer { bcgd_close(opened) }
            try body(opened, model)
        }
    }

    @Test func descriptionsAreTheModels() throws {
        try withModel(threads: 2, callers: 3) { opened, model in
            var description = bcgd_description()
            bcgd_describe(opened, &description)
            #expect((description.height, description.width, description.channels) == (9, 13, 3))
            #expect((description.units, description.classes, description.threads, description.callers) == (10, 11, 2, 3))
            #expect(Int(description.file_bytes) == model.byteCount && Int(description.multiply_adds) == model.multiplyAdds)
            #expect(String(cString: description.class_names).components(separatedBy: "\n") == model.classes)
            #expect(String(cString: description.provenance) == model.provenance && description.std.2 == model.std[2])
            for (index, unit) in model.units.enumerated() {
                var found = bcgd_unit()
                #expect(bcgd_describe_unit(opened, Int32(index), &found) == 0)
                #expect(
                    String(cString: found.name) == unit.name && Int(found.kind) == Int(unit.kind.rawValue)
                        && found.step_size == unit.stepSize)
                #expect(Int(found.channels) == model.shapes[index].channels && Int(found.input) == unit.input && found.step == unit.step)
            }
            var none = bcgd_unit()
            #expect(bcgd_describe_unit(opened, 10, &none) == -1 && bcgd_describe_unit(opened, -1, &none) == -1)
        }
    }

    @Test func numbersAreTheModels() throws {
        try withModel { opened, model in
            for (index, unit) in model.units.enumerated() where unit.kind != .maximum {
                let count = bcgd_numbers(opened, Int32(index), Int32(BCGD_INTEGER_WEIGHTS), nil, 0)
                var weights = [Int8](repeating: 0, count: Int(count)), scales = [Float](repeating: 0, count: unit.scaleCount)
                #expect(bcgd_numbers(opened, Int32(index), Int32(BCGD_INTEGER_WEIGHTS), &weights, count - 1) == -1)
                #expect(bcgd_numbers(opened, Int32(index), Int32(BCGD_INTEGER_WEIGHTS), &weights, count) == count)
                #expect(bcgd_numbers(opened, Int32(index), Int32(BCGD_SCALES), &scales, Int64(scales.count)) == Int64(unit.scaleCount))
                #expect(weights == model.integerWeights(index) && scales == model.scales(index))
            }
            #expect(bcgd_numbers(opened, 8, Int32(BCGD_TERMS), nil, 0) == -1)  // a maximum
            #expect(bcgd_numbers(opened, 9, Int32(BCGD_FACTORS), nil, 0) == -1)  // a classifier
            #expect(bcgd_numbers(opened, 0, 77, nil, 0) == -1 && bcgd_numbers(opened, 10, Int32(BCGD_SCALES), nil, 0) == -1)
        }
    }

    /// Eight threads share two callers' places; each must get its own images' scores, bit for bit. Under ThreadSanitizer this is
    /// the test of the lock (Documentation/Sanitizers.md).
    @Test(arguments: [1, 2]) func threadsShareAModel(threads: Int32) throws {
        try withModel(threads: threads, callers: 2) { opened, model in
            let shared = UInt(bitPattern: opened), images = random.images(16), size = model.input.count, classifier = try Classifier(model)
            let expected = (0..<16).map { classifier.scores(of: Array(images[$0 * size..<($0 + 1) * size])) }
            let wrong = Wrong()
            DispatchQueue.concurrentPerform(iterations: 8) { worker in
                for round in 0..<40 {
                    let first = (worker * 5 + round) % 14
                    var scores = [Float](repeating: .nan, count: 3 * 11)
                    let status = images.withUnsafeBufferPointer {
                        bcgd_run(OpaquePointer(bitPattern: shared), $0.baseAddress! + first * size, 3, &scores, nil)
                    }
                    if status != 0 || scores != Array(expected[first..<first + 3].joined()) { wrong.add() }
                }
            }
            #expect(wrong.count == 0)
        }
    }

    private final class Wrong: @unchecked Sendable {
        private let lock = NSLock()
        private var found = 0
        func add() { lock.withLock { found += 1 } }
        var count: Int { lock.withLock { found } }
    }

    /// Other tests' threads may allocate meanwhile, so the fewest of many rounds count.
    @Test func nothingIsAllocatedAfterOpening() throws {
        try withModel { opened, model in
            let images = random.images(2)
            var scores = [Float](repeating: 0, count: 22), fewest = Int.max
            for _ in 0..<200 {
                let before = allocations_so_far().count
                _ = bcgd_run(opened, images, 2, &scores, nil)
                fewest = min(fewest, allocations_so_far().count - before)
            }
            #expect(fewest == 0)
        }
    }

    @Test func faultsAreToldInOneLine() throws {
        var error = [CChar](repeating: 1, count: Int(BCGD_ERROR_BYTES))
        func text() -> String { error.withUnsafeBufferPointer { String(cString: $0.baseAddress!) } }
        #expect(
            bcgd_open("/no/such/model.bcgd", 1, 1, &error) == nil && text() == "cannot open /no/such/model.bcgd: No such file or directory")
        #expect(bcgd_open(nil, 1, 1, &error) == nil && text().contains("NULL"))
        for (threads, callers) in [(0, 1), (257, 1), (1, 0), (1, 65)] as [(Int32, Int32)] {
            #expect(bcgd_open("a", threads, callers, &error) == nil && text().hasPrefix("bcgd_open: expected 1 to"))
        }
        #expect(bcgd_open("/" + String(repeating: "é", count: 2000), 1, 1, &error) == nil)
        #expect(text().utf8.count == Int(BCGD_ERROR_BYTES) - 1 && String(validating: text().utf8, as: UTF8.self) != nil)
        #expect(bcgd_open("/no/such/model.bcgd", 1, 1, nil) == nil)
        try withModel { opened, _ in
            var scores = [Float](repeating: 0, count: 11)
            #expect(bcgd_run(opened, nil, 1, &scores, &error) == -1 && text().contains("NULL"))
            #expect(bcgd_run(opened, [1], -1, &scores, &error) == -1 && text().contains("-1"))
            #expect(bcgd_run(nil, [1], 1, &scores, &error) == -1 && bcgd_run(opened, nil, 0, nil, &error) == 0)
        }
        bcgd_close(nil)
    }
}
