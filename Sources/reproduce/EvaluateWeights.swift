// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Backends
import Experiments

struct EvaluateWeights: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate-weights",
        abstract: "Top-1 and top-5 of a float ImageNet ResNet in a safetensors file on validation images.",
        discussion: """
            Predicts among all classes of the file's classifier, or with --restrict among those of the data set alone. \
            --reference compares pixels, scores and predictions with PyTorch's (Experiments/pytorch/imagenet_reference.py writes the file).
            """)

    @Argument(help: ArgumentHelp("Weights (safetensors, torchvision's names).", valueName: "file"))
    var weights: String

    @Option(help: ArgumentHelp("Folder with val/ (or BCGD_IMAGENET).", valueName: "dir"))
    var data: String?

    @OptionGroup var imageNet: ImageNetOptions

    @Option(help: "Rows and columns of the central crop.")
    var imageSize = 224

    @Option(help: "Pixels to which the short side is resized before; 0 resizes nothing (default: 256/224 of the crop).")
    var resize: Int?

    @Flag(help: "Predict among the data set's classes alone.")
    var restrict = false

    @Option(help: "Arithmetic: \(Precision.choice).")
    var precision = Precision.f32

    @OptionGroup var computing: ThreadOptions

    @Option(help: ArgumentHelp("PyTorch's pixels and scores on the same images in the same order.", valueName: "file"))
    var reference: String?

    @Option(help: ArgumentHelp("CSV file that takes the result as a row.", valueName: "file"))
    var record: String?

    func validate() throws {
        guard (32...1024).contains(imageSize) else { throw ValidationError("--image-size must be 32 to 1024, not \(imageSize)") }
        guard resize.map({ $0 == 0 || (imageSize...2048).contains($0) }) ?? true else {
            throw ValidationError("--resize must be 0 or \(imageSize) to 2048, not \(resize ?? 0)")
        }
        guard reference == nil || !restrict else {
            throw ValidationError("--reference compares all of the classifier's scores: leave --restrict out")
        }
    }

    func run() throws {
        let evaluation = PretrainedEvaluation(
            try PretrainedFile(path: weights), on: try imageNet.load(data, needsTraining: false), imageSize: imageSize, resize: resize,
            restrict: restrict,
            precision: precision, threads: computing.threads.count, dataWorkers: imageNet.dataWorkers, invocation: .current)
        try evaluation.run(reference: reference, record: record)
    }
}
