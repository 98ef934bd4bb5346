// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import RandomModels
import Testing

/// Every path, thread count and way to share the work against the plain loops: levels, values and scores bit for bit.
@Suite struct ClassifierTests {
    static let paths: [Classifier.Path] = switch Classifier.Path.best {
    case .portable: [.portable]
    case .vnni: [.portable, .vnni]
    case .tables: [.portable, .vnni, .tables]
    }

    /// Odd sides; one pixel in the end; grey images; all weight bits; levels of 1, 4, 5 bits (tables end at 4) and 8; ImageNet's first unit.
    static let models: [RandomModel] = [
        RandomModel(), RandomModel(height: 32, width: 32), RandomModel(height: 5, width: 4, channels: 1, seed: 2),
        RandomModel(activationBits: 1), RandomModel(activationBits: 5), RandomModel(activationBits: 8), RandomModel(isFloatOutside: true),
        RandomModel(isScaledPerChannel: true), RandomModel(weightBits: 2), RandomModel(weightBits: 2, isScaledPerChannel: true),
        RandomModel(weightBits: 3), RandomModel(weightBits: 4, isFloatOutside: true), RandomModel(weightBits: 8, activationBits: 8),
        RandomModel(height: 31, width: 45, first: (7, 2, 3)), RandomModel(height: 15, width: 29, channels: 1, first: (5, 1, 2)),
    ]

    @Test(arguments: paths, models)
    func everyUnitIsTheReferences(path: Classifier.Path, _ random: RandomModel) throws {
        let model = try PackedModel(bytes: random.contents().encoded())
        let image = random.images(1)
        let expected = ReferenceClassifier(model).activations(of: image)
        for threads in [1, 2, 3] {
            let results = Classifier(model, threads: threads, path: path).activations(of: image)
            for (result, expected) in zip(results, expected) { #expect(result == expected, "\(result.unit), \(threads) threads") }
            #expect(results.count == expected.count)
        }
        // A check of the check: units whose levels do not vary would hide faults.
        for case .levels(let levels) in expected.map(\.values) { #expect(Set(levels).count > 1) }
    }

    @Test(arguments: paths)
    func scoresDoNotDependOnBatchOrThreads(path: Classifier.Path) throws {
        let random = RandomModel(height: 8, width: 8)
        let (model, images) = (try PackedModel(bytes: random.contents().encoded()), random.images(7))
        let single = Classifier(model, path: path)
        let expected = (0..<7).flatMap { single.scores(of: Array(images[$0 * model.input.count..<($0 + 1) * model.input.count])) }
        for threads in 1...3 {
            let classifier = Classifier(model, threads: threads, path: path)
            for count in [1, 2, 7] {
                var scores = [Float](repeating: .nan, count: count * model.classes.count)
                classifier.scores(of: images, count: count, into: &scores)
                #expect(scores == Array(expected.prefix(scores.count)), "\(threads) threads, \(count) images")
            }
        }
    }

    /// Numbers that overflow to infinity and cancel to NaN, which a forged file may hold, still give levels in range.
    @Test(arguments: paths)
    func absurdNumbersGiveLevels(path: Classifier.Path) throws {
        var contents = RandomModel().contents()
        let huge = Float.greatestFiniteMagnitude
        contents.entries = contents.entries.map { entry -> PackedModelContents.Entry in
            let a: [Float] = entry.a.indices.map { $0 % 2 == 0 ? huge : -huge }
            let b = [Float](repeating: -huge, count: entry.b.count)
            let scales = [Float](repeating: huge, count: entry.scales.count)
            return PackedModelContents.Entry(entry.unit, codes: entry.codes, weights: entry.weights, scales: scales, a: a, b: b)
        }
        let model = try PackedModel(bytes: contents.encoded())
        for activation in Classifier(model, path: path).activations(of: RandomModel().images(1)) {
            if case .levels(let levels) = activation.values { #expect(levels.allSatisfy { $0 <= 15 }) }
        }
    }

    @Test func predictionsAreSortedAndSumToOne() throws {
        let random = RandomModel()
        let model = try PackedModel(bytes: random.contents().encoded())
        let classifier = Classifier(model)
        let all = classifier.classify(random.images(1), top: 100)
        #expect(all.count == 11 && zip(all, all.dropFirst()).allSatisfy { $0.score >= $1.score })
        #expect(abs(all.reduce(0) { $0 + $1.probability } - 1) < 1e-5)  // eleven roundings of f32 at most
        #expect(all.map(\.name) == all.map { model.classes[$0.index] })
        #expect(classifier.classify(random.images(1), top: 5) == Array(all.prefix(5)))
    }
}
