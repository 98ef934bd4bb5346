// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Files
import Foundation
import Parallelism

/// Runs a packed model on images: exact integers from the first map of levels to the last.
///
/// Images are independent of each other, and one passes through the whole network before the next, so that maps stay in the
/// caches: with as many images as threads or more, each thread takes whole images; with fewer, threads share a map's rows.
/// Memory is planned once and nothing is allocated in a call. Results do not depend on the threads, on the batch, or on the
/// path. A classifier belongs to one thread at a time.
public final class Classifier {
    /// How sums of products are computed: which kernels (inference.h) units may take. A unit takes the first that fits its bits,
    /// levels and channels and is worth it; tables fit binary weights, those of AVX2 ternary ones too, and levels of at most 4 bits.
    public enum Path: String, CaseIterable, Sendable {
        /// Plain C, on every processor.
        case portable
        /// AVX2: products of bytes; of 16-bit words where levels and weights are large.
        case avx2
        /// AVX2: tables, products elsewhere.
        case avx2Tables = "avx2tables"
        /// AVX2's tables, AVX-VNNI elsewhere.
        case avxVNNI = "avxvnni"
        /// AVX-512: tables, AVX2's products elsewhere.
        case avx512
        /// AVX-512 VNNI: products.
        case vnni
        /// AVX-512: tables, VNNI elsewhere.
        case avx512VNNI = "avx512vnni"
        /// AVX-512 VBMI: tables, VNNI elsewhere.
        case tables
        /// NEON: tables, products of 16-bit words elsewhere.
        case neon
        /// NEON: tables, `sdot` elsewhere, words for 8-bit levels.
        case dotprod
        /// NEON: tables, `usmmla` elsewhere.
        case i8mm

        /// Those that this processor has, less what BCGD_ISA takes away, the slowest first.
        public static var available: [Path] { allCases.filter { $0.kernels.allSatisfy { ck_unit_has_path($0) != 0 } } }

        /// The fastest that this processor has.
        public static var best: Path { available.last ?? .portable }

        /// `name` is a path's raw value, or "best".
        /// - Throws: `FileError` where there is no such path, or this processor lacks its instructions.
        public init(named name: String) throws {
            guard let path = name == "best" ? .best : Path(rawValue: name), Self.available.contains(path) else {
                let isKnown = Path(rawValue: name) != nil
                let lacks = isKnown ? "this processor lacks the instructions of the path \(name)" : "there is no path \"\(name)\""
                throw FileError("\(lacks); it has \((["best"] + Self.available.map(\.rawValue)).joined(separator: ", "))")
            }
            self = path
        }

        /// The one that computes the unit.
        func kernel(for unit: ck_unit) -> ck_unit_path {
            let fitting = withUnsafePointer(to: unit) { unit in
                kernels.first { ck_unit_fits(unit, $0) != 0 && unit.pointee.input_channels >= fewestChannels($0) }
            }
            return fitting ?? CK_UNIT_PORTABLE
        }

        /// The one that computes a first unit of bytes.
        func kernel(for unit: ck_byte_unit) -> ck_unit_path {
            withUnsafePointer(to: unit) { unit in kernels.first { ck_byte_unit_fits(unit, $0) != 0 } } ?? CK_UNIT_PORTABLE
        }

        /// How many input channels a kernel must have to be quicker than the next one, measured on a Xeon (Performance.md).
        private func fewestChannels(_ kernel: ck_unit_path) -> Int {
            switch (self, kernel) {
            case (.avx512VNNI, CK_UNIT_AVX512_TABLES): 128
            default: 0
            }
        }

        /// The last one fits all units.
        var kernels: [ck_unit_path] {
            switch self {
            case .portable: [CK_UNIT_PORTABLE]
            case .avx2: [CK_UNIT_AVX2_BYTES, CK_UNIT_AVX2_WORDS]
            case .avx2Tables: [CK_UNIT_AVX2_TABLES, CK_UNIT_AVX2_TERNARY_TABLES, CK_UNIT_AVX2_BYTES, CK_UNIT_AVX2_WORDS]
            case .avxVNNI: [CK_UNIT_AVX2_TABLES, CK_UNIT_AVX2_TERNARY_TABLES, CK_UNIT_AVX_VNNI]
            case .avx512: [CK_UNIT_AVX512_TABLES, CK_UNIT_AVX2_TERNARY_TABLES, CK_UNIT_AVX2_BYTES, CK_UNIT_AVX2_WORDS]
            case .vnni: [CK_UNIT_VNNI]
            case .avx512VNNI: [CK_UNIT_AVX512_TABLES, CK_UNIT_VNNI]
            case .tables: [CK_UNIT_VBMI_TABLES, CK_UNIT_VNNI]
            case .neon: [CK_UNIT_NEON_TABLES, CK_UNIT_NEON_WORDS]
            case .dotprod: [CK_UNIT_NEON_TABLES, CK_UNIT_SDOT, CK_UNIT_NEON_WORDS]
            case .i8mm: [CK_UNIT_NEON_TABLES, CK_UNIT_USMMLA, CK_UNIT_NEON_WORDS]
            }
        }
    }

    public let model: PackedModel
    public let threads: Int
    private let plan: InferencePlan
    private let arenas: [Arena]
    /// Of the call under way.
    private struct Call {
        var images: UnsafePointer<UInt8>, scores: UnsafeMutablePointer<Float>
        let count: Int
    }
    private var call: Call?
    private var step = 0
    private enum Work { case images, rows }
    private var work = Work.images

    /// - Parameters:
    ///   - model: what it classifies with.
    ///   - threads: 1 or more that compute.
    ///   - path: one that this processor has.
    /// - Throws: `MemoryError` where the threads' maps would not fit into memory.
    public init(_ model: PackedModel, threads: Int = 1, path: Path = .best) throws {
        precondition((1...256).contains(threads), "1 to 256 threads")
        precondition(Path.available.contains(path), "this processor lacks the path's instructions")
        (self.model, self.threads) = (model, threads)
        plan = InferencePlan(model, path: path)
        arenas = try plan.arenas(threads: threads)
    }

    /// Another one with the same plan, for another thread at the same time: only the maps' memory is its own.
    /// - Throws: `MemoryError` where they would not fit.
    public init(sharing other: Classifier) throws {
        (model, threads, plan) = (other.model, other.threads, other.plan)
        arenas = try plan.arenas(threads: threads)
    }

    /// Class scores of `count` images.
    /// - Parameters:
    ///   - images: bytes `[count, H, W, C]`.
    ///   - count: images, 0 or more.
    ///   - scores: `[count, classes]`.
    public func scores(of images: UnsafePointer<UInt8>, count: Int, into scores: UnsafeMutablePointer<Float>) {
        precondition(count >= 0)
        call = Call(images: images, scores: scores, count: count)
        if threads > 1 && count >= threads {
            parallel(.images)
        } else {
            for _ in 0..<count {
                for step in plan.steps.indices { run(step) }
                call?.images += model.input.count
                call?.scores += model.classes.count
            }
        }
    }

    /// Has every thread do its share of `work`.
    private func parallel(_ work: Work) {
        self.work = work
        ck_parallel(
            Int32(threads),
            { classifier, worker, workers in
                guard let classifier else { return }
                Unmanaged<Classifier>.fromOpaque(classifier).takeUnretainedValue().run(worker: Int(worker), of: Int(workers))
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func run(worker: Int, of workers: Int) {
        switch work {
        case .images: runImages(worker: worker, of: workers)
        case .rows: runRows(worker: worker, of: workers)
        }
    }

    private func runImages(worker: Int, of workers: Int) {
        guard let call else { return }
        for image in call.count * worker / workers..<call.count * (worker + 1) / workers {
            for step in plan.steps {
                step.run(
                    rows: 0..<step.rows, image: call.images + image * model.input.count, maps: arenas[worker].maps,
                    scratch: arenas[worker].scratch,
                    scores: call.scores + image * model.classes.count)
            }
        }
    }

    /// One step of one image, its rows shared by the threads.
    private func run(_ index: Int) {
        step = index
        if threads == 1 || plan.steps[index].rows < 2 { runRows(worker: 0, of: 1) } else { parallel(.rows) }
    }

    private func runRows(worker: Int, of workers: Int) {
        guard let call else { return }
        let step = plan.steps[step]
        step.run(
            rows: step.rows * worker / workers..<step.rows * (worker + 1) / workers, image: call.images, maps: arenas[0].maps,
            scratch: arenas[worker].scratch, scores: call.scores)
    }
}

// MARK: Conveniences

/// A class and its score.
public struct Prediction: Equatable, Sendable {
    public let index: Int
    public let name: String
    public let score: Float
    /// exp(score)/Σ exp(scores).
    public let probability: Float
}

/// What a unit made of an image.
public struct UnitActivation: Equatable, Sendable {
    public let unit: String
    public let shape: PackedModel.Shape
    public let values: Values
    public enum Values: Equatable, Sendable { case levels([UInt8]), floats([Float]) }
}

extension Classifier {
    /// Class scores of one image, bytes `[H, W, C]`.
    public func scores(of image: [UInt8]) -> [Float] {
        precondition(image.count == model.input.count, "\(image.count) bytes for an image of \(model.input)")
        var scores = [Float](repeating: 0, count: model.classes.count)
        self.scores(of: image, count: 1, into: &scores)
        return scores
    }

    /// The classes with the highest scores, highest first; of equal ones the first.
    public func classify(_ image: [UInt8], top: Int = 5) -> [Prediction] {
        let scores = scores(of: image)
        let highest = scores.max() ?? 0
        let exponentials = scores.map { exp(Double($0) - Double(highest)) }
        let sum = exponentials.reduce(0, +)
        return scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }.prefix(max(top, 0)).map {
            Prediction(index: $0, name: model.classes[$0], score: scores[$0], probability: Float(exponentials[$0] / sum))
        }
    }

    /// What every unit makes of one image, bytes `[H, W, C]`, in the model's order: for verification.
    public func activations(of image: [UInt8]) -> [UnitActivation] {
        precondition(image.count == model.input.count, "\(image.count) bytes for an image of \(model.input)")
        var (results, scores) = ([UnitActivation](), [Float](repeating: 0, count: model.classes.count))
        image.withUnsafeBufferPointer { image in
            scores.withUnsafeMutableBufferPointer { scores in
                guard let first = image.baseAddress, let score = scores.baseAddress else { return }
                call = Call(images: first, scores: score, count: 1)
                for (index, step) in plan.steps.enumerated() {
                    run(index)
                    guard let unit = step.unit else { continue }
                    let shape = model.shapes[unit]
                    func numbers<T>(_: T.Type) -> [T] {
                        Array(
                            UnsafeBufferPointer(start: (arenas[0].maps + step.output).assumingMemoryBound(to: T.self), count: shape.count))
                    }
                    let values: UnitActivation.Values =
                        model.units[unit].kind == .classifier
                        ? .floats(Array(scores))
                        : model.units[unit].activationBits == 0 ? .floats(numbers(Float.self)) : .levels(numbers(UInt8.self))
                    results.append(UnitActivation(unit: model.units[unit].name, shape: shape, values: values))
                }
            }
        }
        return results
    }
}
