// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Datasets
import Experiments
import Export
import Training

func trainExportClassify(_ data: ImageDataset, recipes: String = "Experiments", to file: String) throws -> [Prediction] {
    struct Printing: TrainingObserver {
        func stepped(_ state: TrainingState) {}
        func finishedEpoch(_ state: TrainingState) { print(state.curve.last?.testTop1 ?? 0, "%") }
    }
    let recipe = try ExperimentFolder(recipes).cells(.smallImages, .smoke).recipe(of: "resnet8-1w4a-bcgd")
    let run = RunDescription(name: "mine", dataset: data.name, recipe: recipe, seed: 1, warmStart: nil)
    var observer = Printing()
    try Trainer(run, dataset: data, threads: 2).train(checkpoint: file + ".safetensors", observer: &observer)
    let model = try packedModel(of: Checkpoint(path: file + ".safetensors"), format: ImageFormat(of: data))
    try model.write(to: file)
    return try Classifier(model).classify(Array(data.test.images.prefix(data.test.imageSize)), top: 1)
}
