// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Foundation
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// Methods with more state than weights: an interrupted run has the unbroken one's bits, also what a later evaluation sees.
@Suite(.serialized) struct MethodResumeTests {
    private static let methods = [
        "binary-relax": ["method": "binary-relax", "weight_bits": "1", "activation_bits": "4"],
        "per-channel": ["method": "bcgd", "weight_bits": "2", "activation_bits": "4", "scaling": "per-channel"],
        "authors-code": [
            "method": "bcgd", "weight_bits": "4", "activation_bits": "4", "evaluation": "lagged", "quantized_layers": "convolutions",
            "lloyd_iterations": "1", "resolution_decay": "1.0e-4", "resolution_gradient_factor": "0.01", "resolution_gradient_limit": "1",
            "resolution_maximum": "5", "resolution_rate_factor": "1", "rate": "0.1"
        ],
        "adam": [
            "method": "bcgd", "weight_bits": "1", "activation_bits": "4", "optimizer": "adam", "rate": "0.001", "schedule": "cosine",
            "warmup_epochs": "1",
            "label_smoothing": "0.1", "accumulation": "2", "batch_norm_images": "60", "batch_norm_affine": "false"
        ],
        "lagged binary-relax": ["method": "binary-relax", "weight_bits": "2", "activation_bits": "4", "evaluation": "lagged"]
    ]

    /// 5 steps an epoch, 4 epochs; cuts within and after epochs, and at the end.
    @Test(arguments: methods.keys.sorted().flatMap { method in Precision.allCases.map { (method, $0) } }, [3, 5, 14, 15, 20])
    func interruptedRunEqualsUnbroken(_ how: (method: String, precision: Precision), cut: Int) throws {
        let folder = try TemporaryFolder()
        let changes = try #require(Self.methods[how.method])
        let run = RunDescription(
            name: "run", dataset: "synthetic", recipe: try recipe(changes), seed: 3, warmStart: nil, precision: how.precision)
        func fresh() throws -> Trainer { try Trainer(run, dataset: syntheticDataset(), threads: 1) }
        var observer = SilentObserver()
        let (unbroken, path) = (try fresh(), "\(folder.path)/run.safetensors")
        try unbroken.train(checkpoint: nil, stepLimit: cut, observer: &observer)
        let broken = try fresh()
        try broken.train(checkpoint: path, stepLimit: cut, observer: &observer)
        let resumed = try fresh()
        try resumed.restore(Checkpoint(path: path))
        // Between epochs the passes' weights are those of the epoch to come in one, of the epoch before in the other.
        for trainer in [unbroken, resumed] { _ = try trainer.evaluate() }
        let sameAtCut = bits(resumed) == bits(unbroken)
        #expect(sameAtCut)
        try resumed.train(checkpoint: path, observer: &observer)
        try unbroken.train(checkpoint: nil, observer: &observer)
        let sameAtEnd = bits(resumed) == bits(unbroken)
        #expect(sameAtEnd && unbroken.isFinished)
        #expect(try resumed.finalCorrect() == unbroken.finalCorrect())
    }
}
