// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import RandomModels
import Testing

/// Every path, thread count and way to share the work against the plain loops: levels, values and scores bit for bit.
@Suite struct ClassifierTests {
    static let paths = Classifier.Path.available

    /// Odd sides; one pixel in the end; grey images; all weight bits; levels of 1, 4, 5 bits (tables end at 4) and 8; ImageNet's first
    /// unit.
    static let models: [RandomModel] = [
        RandomModel(), RandomModel(height: 32, width: 32), RandomModel(height: 5, width: 4, channels: 1, seed: 2),
        RandomModel(activationBits: 1), RandomModel(activationBits: 5), RandomModel(activationBits: 8), RandomModel(isFloatOutside: true),
        RandomModel(isScaledPerChannel: true), RandomModel(weightBits: 2), RandomModel(weightBits: 2, isScaledPerChannel: true),
        RandomModel(weightBits: 3), RandomModel(weightBits: 4, isFloatOutside: true), RandomModel(weightBits: 8, activationBits: 8),
        RandomModel(height: 31, width: 45, first: (7, 2, 3)), RandomModel(isOfBytes: true),
        RandomModel(height: 31, width: 45, isScaledPerChannel: true, isOfBytes: true, first: (7, 2, 3)),
        RandomModel(height: 6, width: 5, weightBits: 8, isOfBytes: true, first: (11, 1, 5)),
        RandomModel(channels: 1, weightBits: 4, activationBits: 8, isOfBytes: true, first: (4, 3, 1)),
        RandomModel(height: 15, width: 29, channels: 1, first: (5, 1, 2))
    ]

    @Test(arguments: paths, models)
    func everyUnitIsTheReferences(path: Classifier.Path, _ random: RandomModel) throws {
        let model = try PackedModel(bytes: random.contents().encoded())
        let image = random.images(1)
        let expected = ReferenceClassifier(model).activations(of: image)
        for threads in [1, 2, 3] {
            let results = try Classifier(model, threads: threads, path: path).activations(of: image)
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
        let single = try Classifier(model, path: path)
        let expected = (0..<7).flatMap { single.scores(of: Array(images[$0 * model.input.count..<($0 + 1) * model.input.count])) }
        for threads in 1...3 {
            let classifier = try Classifier(model, threads: threads, path: path)
            for count in [1, 2, 7] {
                var scores = [Float](repeating: .nan, count: count * model.classes.count)
                classifier.scores(of: images, count: count, into: &scores)
                #expect(scores == Array(expected.prefix(scores.count)), "\(threads) threads, \(count) images")
            }
        }
    }

    /// Numbers near the largest that are allowed give levels in range and finite scores, on every path the reference's.
    @Test(arguments: paths, [false, true])
    func hugeNumbersGiveLevelsAndFiniteScores(path: Classifier.Path, isFloatOutside: Bool) throws {
        let random = RandomModel(isFloatOutside: isFloatOutside)
        let model = try PackedModel(
            bytes: random.contents().changed(a: { $0 % 2 == 0 ? 1e22 : -1e22 }, b: { _ in -1e29 }, scales: { _ in 1e3 }).encoded())
        let image = random.images(1), results = try Classifier(model, path: path).activations(of: image)
        #expect(results == ReferenceClassifier(model).activations(of: image))
        for activation in results {
            switch activation.values {
            case .levels(let levels): #expect(levels.allSatisfy { $0 <= 15 })
            case .floats(let values): #expect(values.allSatisfy { $0.isFinite })
            }
        }
    }

    /// A class far above all others, and classes at the same score.
    @Test func probabilitiesOfExtremeScoresAreRight() throws {
        func probabilities(_ bias: @escaping (Int) -> Float) throws -> [Float] {
            let contents = RandomModel().contents().changed(a: { _ in 0 }, b: bias, scales: { _ in 0 })
            return try Classifier(try PackedModel(bytes: contents.encoded())).classify(RandomModel().images(1), top: 11).map(\.probability)
        }
        #expect(try probabilities { $0 == 4 ? 1e29 : -1e29 } == [1] + [Float](repeating: 0, count: 10))
        #expect(try probabilities { _ in -1e29 } == [Float](repeating: 1 / 11, count: 11))
        // 1/(1 + 10·e^-7) and e^-7/(1 + 10·e^-7), by Python.
        let found = try probabilities { $0 == 0 ? 7 : 0 }
        #expect(abs(found[0] - 0.9909636) < 1e-6 && abs(found[10] - 0.000903641) < 1e-9)
    }

    @Test func predictionsAreSortedAndSumToOne() throws {
        let random = RandomModel()
        let model = try PackedModel(bytes: random.contents().encoded())
        let classifier = try Classifier(model)
        let all = classifier.classify(random.images(1), top: 100)
        #expect(all.count == 11 && zip(all, all.dropFirst()).allSatisfy { $0.score >= $1.score })
        #expect(abs(all.reduce(0) { $0 + $1.probability } - 1) < 1e-5)  // eleven roundings of f32 at most
        #expect(all.map(\.name) == all.map { model.classes[$0.index] })
        #expect(classifier.classify(random.images(1), top: 5) == Array(all.prefix(5)))
    }
}
