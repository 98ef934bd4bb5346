// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Foundation
import RandomModels
import TestSupport
import Testing

/// A small file cannot ask for hours, for all memory, or for scores that are no numbers.
@Suite struct LimitTests {
    private func message(_ contents: PackedModelContents) -> String {
        do {
            _ = try PackedModel(bytes: contents.encoded(), path: "m.bcgd")
            return "accepted"
        } catch {
            #expect(error is PackedModelError && !"\(error)".contains("\n"))
            return "\(error)"
        }
    }

    // MARK: Scores

    /// Each kind of number alone at the largest f32, in a model that is accepted without.
    @Test func numbersThatMayOverflowAreRefused() {
        let huge = Float.greatestFiniteMagnitude
        for random in [RandomModel(), RandomModel(isFloatOutside: true), RandomModel(isOfBytes: true)] {
            let contents = random.contents()
            #expect(message(contents) == "accepted")
            #expect(message(contents.changed(a: { $0 == 3 ? huge : 0 })).contains("t may reach"))
            #expect(message(contents.changed(b: { $0 == 3 ? -huge : 0 })).contains("may reach"))
            #expect(message(contents.changed(step: huge)).contains("t may reach"))
            #expect(message(contents.changed(scales: { _ in huge })) != "accepted")
            var others = contents
            others.std[1] = .leastNonzeroMagnitude
            #expect(message(others).contains("a normalised pixel may reach inf"))
            others.std = contents.std
            others.mean[0] = huge
            #expect(message(others).contains("a normalised pixel may reach"))
        }
        // Zero times what overflows is no number either.
        let float = RandomModel(isFloatOutside: true).contents()
        #expect(message(float.changed(weights: { $0 == 5 ? -huge : 0 }, a: { _ in 0 })).contains("a weight may reach"))
        #expect(message(RandomModel().contents().changed(a: { _ in 0 }, scales: { _ in huge })).contains("may reach"))
    }

    // MARK: Work and memory

    /// 1×1 pixels in the file, a first unit of `channels`, then the units, then a classifier of one class.
    private func contents(side: Int, channels: Int = 16, stride: Int = 1, units: [PackedModel.Unit]) -> PackedModelContents {
        let first = PackedModel.Unit(
            name: "first", kind: .first, stride: stride, weightBits: 1, activationBits: 1, input: -1, outputChannels: channels,
            scaleCount: 1)
        func entry(_ unit: PackedModel.Unit, inputs: Int) -> PackedModelContents.Entry {
            let numbers = [Float](repeating: 0, count: unit.outputChannels)
            let integerWeights = [Int8](repeating: 1, count: inputs * unit.kernel * unit.kernel * unit.outputChannels)
            return unit.kind == .maximum
                ? .init(unit)
                : .init(unit, integerWeights: integerWeights, scales: [1], a: unit.kind == .classifier ? [] : numbers, b: numbers)
        }
        let last = PackedModel.Unit(name: "fc", kind: .classifier, weightBits: 1, input: units.count, outputChannels: 1, scaleCount: 1)
        return PackedModelContents(
            input: .init(height: side, width: side, channels: 1), mean: [0], std: [1], fitting: .none, classes: ["x"], provenance: "",
            entries: [entry(first, inputs: 1)] + units.map { entry($0, inputs: channels) } + [entry(last, inputs: channels)])
    }

    @Test func workIsBounded() {
        // A chain of maxima: 225 comparisons for each of 1024²·16 = 2^24 results.
        func maxima(_ count: Int) -> [PackedModel.Unit] {
            (0..<count).map { .init(name: "max", kind: .maximum, kernel: 15, padding: 7, activationBits: 1, input: $0, outputChannels: 16) }
        }
        #expect(message(contents(side: 1024, units: maxima(30))) == "accepted")
        #expect(message(contents(side: 1024, units: maxima(40))).contains("unit 32: 553648128 results up to here, more than 536870912"))
        // 3×3 convolutions of 256 channels on 128²: 9.7·10⁹ multiply-adds each.
        func convolutions(_ count: Int) -> [PackedModel.Unit] {
            (0..<count).map {
                .init(
                    name: "c", kind: .convolution, kernel: 3, padding: 1, weightBits: 1, activationBits: 1, input: $0, outputChannels: 256,
                    scaleCount: 1)
            }
        }
        #expect(message(contents(side: 128, channels: 256, units: convolutions(14))) == "accepted")
        #expect(message(contents(side: 128, channels: 256, units: convolutions(15))).contains("unit 15: more than 137438953472 operations"))
    }

    @Test func memoryIsBounded() throws {
        // 2048²·16 numbers a map are 2^26: two are the limit, a third that waits for its use is too much.
        func ones(_ inputs: [Int], shortcut: Int? = nil) -> [PackedModel.Unit] {
            inputs.enumerated().map { position, input in
                let isLast = position == inputs.count - 1
                return .init(
                    name: "c", kind: .convolution, weightBits: 1, activationBits: 1, shortcut: isLast && shortcut != nil ? .levels : .none,
                    input: input,
                    shortcutInput: isLast ? shortcut ?? -1 : -1, outputChannels: 16, scaleCount: 1)
            }
        }
        #expect(message(contents(side: 2048, units: ones([0, 1, 2]))) == "accepted")
        #expect(
            message(contents(side: 2048, units: ones([0, 1, 2], shortcut: 0))).contains(
                "its maps need 201326592 bytes, more than 134217728"))
        #expect(message(contents(side: 2048, units: ones(Array(0..<8)))).contains("results up to here, more than 536870912"))
        // Wide rows are copied for a kernel: 3·(4096 + 2)·4096·4 bytes.
        let wide = PackedModel.Unit(
            name: "c", kind: .convolution, kernel: 3, padding: 1, weightBits: 1, activationBits: 1, input: 0, outputChannels: 16,
            scaleCount: 1)
        var thin = contents(side: 1, channels: 4096, units: [wide])
        thin.input = .init(height: 1, width: 4096, channels: 1)
        thin.entries[2] = .init(thin.entries[2].unit, integerWeights: [Int8](repeating: 1, count: 16), scales: [1], b: [0])
        #expect(message(thin).contains("rows of 4096×4096 levels"))
    }

    /// Units may name the same bytes: what they unpack to counts once for each. 256 MiB of weights, 1 bit each, of 32 MiB in the
    /// file; the second unit is still within the limit, the third is not.
    @Test func sharedWeightsCountForEveryUnit() {
        var (cost, faults): (ModelCost, [String]) = (ModelCost(), [])
        let unit = PackedModel.Unit(
            name: "c", kind: .convolution, weightBits: 1, activationBits: 1, input: 0, outputChannels: 1 << 14, scaleCount: 1)
        let shape = PackedModel.Shape(height: 1, width: 1, channels: 1 << 14)
        for _ in 0..<3 { faults += cost.adding(unit, weights: 1 << 28, from: shape, to: shape).map { [$0] } ?? [] }
        #expect(faults == ["805306368 bytes of weights up to here, more than 536870912"])
    }

    /// ResNet-152 on 448² passes with room; its numbers are four times the 11.5·10⁹ multiply-adds that torchvision states for 224².
    @Test func realNetworksPass() {
        var cost = ModelCost()
        let unit = PackedModel.Unit(
            name: "c", kind: .convolution, weightBits: 1, activationBits: 4, input: 0, outputChannels: 64, scaleCount: 1)
        // As one convolution of 60·10⁶ weights with 46·10⁹ multiply-adds.
        #expect(
            cost.adding(
                unit, weights: 60_000_000, from: .init(height: 28, width: 28, channels: 64), to: .init(height: 28, width: 28, channels: 64))
                == nil)
    }

    @Test func namesAreBounded() {
        var long = contents(side: 1, units: [])
        let fc = long.entries[1].unit
        long.entries[1] = .init(
            .init(
                name: String(repeating: "n", count: 4097), kind: .classifier, weightBits: 1, input: fc.input, outputChannels: 1,
                scaleCount: 1),
            integerWeights: [Int8](repeating: 1, count: 16), scales: [1], b: [0])
        #expect(message(long).contains("a name of 4097 bytes, more than 4096"))
    }

    /// What the file has a byte for.
    @Test func kernelsAndColoursAreBounded() {
        let wide = PackedModel.Unit(
            name: "c", kind: .convolution, kernel: 256, weightBits: 1, activationBits: 1, input: 0, outputChannels: 16, scaleCount: 1)
        #expect(message(contents(side: 256, units: [wide])).contains("c has a kernel of 256, stride 1 and padding 0, of which the format"))
        var colours = contents(side: 1, units: [])
        colours.mean = [0, 0, 0, 0, 0]
        #expect(message(colours).contains("images have 5 colours, and the format holds up to 4"))
    }

    @Test func aPipeIsNoModel() throws {
        let folder = try TemporaryFolder(), path = folder.path + "/pipe.bcgd"
        try #require(mkfifo(path, 0o600) == 0)
        #expect(throws: PackedModelError("\(path) is not a regular file")) { try PackedModel(path: path) }
    }
}
