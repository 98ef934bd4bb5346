// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import BCGDRuntime
import Files
import Foundation
import RasterImages

struct Classify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Classifies images by a packed model: the five best classes of each.",
        discussion: "Images are JPEG, PNG, binary PPM or PGM files, or records FILE.bin#INDEX of CIFAR-10's binary version.")

    @Argument(help: ArgumentHelp("Packed model, from `reproduce export`.", valueName: "model.bcgd"))
    var model: String

    @Argument(help: "Images.")
    var images: [String]

    @Option(help: "How many classes to name.")
    var top = 5

    @OptionGroup var computing: ThreadOptions

    @Flag(help: "Scale images of another size to the model's, without keeping their proportions, where the model says nothing else.")
    var resize = false

    func validate() throws {
        guard top >= 1 else { throw ValidationError("--top must be at least 1, not \(top)") }
        guard !images.isEmpty else { throw ValidationError("name an image to classify") }
    }

    func run() throws {
        let classifier = Classifier(try PackedModel(path: model), threads: computing.threads)
        for path in images {
            let image = try fitted(try RasterImage(path: path, channels: classifier.model.input.channels), path: path, to: classifier.model)
            say(path)
            for prediction in classifier.classify(image.pixels, top: top) {
                say(String(format: "  %5.1f %%  ", 100 * prediction.probability) + prediction.name)
            }
        }
    }

    private func fitted(_ image: RasterImage, path: String, to model: PackedModel) throws -> RasterImage {
        let (height, width) = (model.input.height, model.input.width)
        if image.height == height && image.width == width { return image }
        switch model.fitting {
        case .centerCrop(let side):
            return image.resized(shorterSide: side).centerCropped(height: height, width: width)
        case .none:
            guard resize else {
                throw FileError("\(path) has \(image.width)×\(image.height) pixels, the model takes \(width)×\(height): cut it out or scale it, or let --resize do it")
            }
            return image.resized(height: height, width: width)
        }
    }
}
