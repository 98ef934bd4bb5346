// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BCGDRuntime
import Files
import Foundation
import RasterImages

struct Classify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Classifies images by a packed model: the five best classes of each.",
        discussion: """
            Images are folders, all of whose image files are taken, JPEG, PNG, binary PPM or PGM files, records FILE.bin#INDEX of \
            CIFAR-10's binary version, or \
            images FILE-idx3-ubyte#INDEX of MNIST's files, gzipped or not. Their pixels are taken as they are stored: no colour profile, \
            gamma or EXIF orientation is applied, and transparency plays no role. An \
            image that cannot be classified is named on standard error, the others are classified, and the exit status is 1.
            """)

    @Argument(help: ArgumentHelp("Packed model, from `reproduce export`.", valueName: "model.bcgd"))
    var model: String

    @Argument(help: "Images.")
    var images: [String] = []

    @Option(
        help: ArgumentHelp("A file with an image, a folder or a record a line, after those named; - for standard input.", valueName: "file")
    )
    var list: String?

    @Option(name: .customLong("top"), help: ArgumentHelp("How many classes to name (default: 5).", valueName: "count"))
    var askedTop: Int?
    private var top: Int { askedTop ?? 5 }

    @Flag(help: "Print a line an image instead: its path and all scores, as short as f32 reads them back, with tabs between them.")
    var scores = false

    @OptionGroup var format: JSONOption

    @OptionGroup var computing: ThreadOptions

    @Option(help: "How sums are computed: best, or a path by name (Documentation/Performance.md); results are the same.")
    var path = "best"

    @Flag(help: "Scale images of another size to the model's, without keeping their proportions, where the model says nothing else.")
    var resize = false

    func validate() throws {
        guard top >= 1 else { throw ValidationError("--top must be at least 1, not \(top)") }
        guard askedTop == nil || !scores || format.json else {
            throw ValidationError("--scores prints the scores of all classes: leave --top out, or add --json for both")
        }
        guard !images.isEmpty || list != nil else { throw ValidationError("name an image to classify, or a --list of them") }
    }

    func run() throws {
        let packed = try packedModel()
        guard [1, 3].contains(packed.input.channels) else {
            throw FileError("\(model) takes images of \(packed.input.channels) channels; those that are read here have 1 or 3")
        }
        let classifier = try Classifier(packed, threads: computing.threads.count, path: try Classifier.Path(named: path))
        var failures = 0
        func fail(_ path: String, _ error: any Error) throws {
            failures += 1
            note("Error: \(error)")
            if format.json { say(try jsonText(ClassifiedImage(image: path, error: "\(error)"))) }
        }
        for argument in images + (try list.map(listed) ?? []) {
            do {
                for file in isFolder(argument) ? try imageFiles(in: argument) : [argument] {
                    do { say(try answer(file, classifier)) } catch { try fail(file, error) }
                }
            } catch { try fail(argument, error) }
        }
        if failures > 0 { throw ExitCode.failure }
    }

    private func packedModel() throws -> PackedModel {
        do { return try PackedModel(path: model) } catch let error as PackedModelError {
            guard model.hasSuffix(".safetensors"), FileManager.default.fileExists(atPath: model) else { throw error }
            throw FileError("\(error); `reproduce export` makes a packed model of a checkpoint")
        }
    }

    /// The lines of a list that are not empty.
    private func listed(_ file: String) throws -> [String] {
        guard file == "-" else { return lines(of: try readText(file)).filter { !$0.isEmpty } }
        guard let input = try? FileHandle.standardInput.readToEnd() ?? Data() else { throw FileError("cannot read standard input") }
        return lines(of: try utf8Text(input, from: "standard input")).filter { !$0.isEmpty }
    }

    private func answer(_ path: String, _ classifier: Classifier) throws -> String {
        let image = try fitted(try RasterImage(path: path, channels: classifier.model.input.channels), path: path, to: classifier.model)
        if format.json {
            let best = classifier.classify(image.pixels, top: top).map {
                ClassifiedImage.Prediction(name: $0.name, probability: Double($0.probability))
            }
            return try jsonText(ClassifiedImage(image: path, classes: best, scores: scores ? classifier.scores(of: image.pixels) : nil))
        }
        if scores { return ([path] + classifier.scores(of: image.pixels).map { "\($0)" }).joined(separator: "\t") }
        let predictions = classifier.classify(image.pixels, top: top)
        return ([path] + predictions.map { String(format: "  %5.1f %%  ", 100 * $0.probability) + $0.name }).joined(separator: "\n")
    }

    private func fitted(_ image: RasterImage, path: String, to model: PackedModel) throws -> RasterImage {
        let (height, width) = (model.input.height, model.input.width)
        if image.height == height && image.width == width { return image }
        switch model.fitting {
        case .centerCrop(let side):
            return image.centerCropped(resize: side, height: height, width: width)
        case .none:
            guard resize else {
                throw FileError(
                    "\(path) has \(image.width)×\(image.height) pixels, the model takes \(width)×\(height): cut it out or scale it, or "
                        + "let --resize do it"
                )
            }
            return image.resized(height: height, width: width)
        }
    }
}
