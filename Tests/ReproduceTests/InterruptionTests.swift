// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// A run on real images (Fashion-MNIST) that is stopped, and what may happen to what it left.
@Suite(.serialized) struct InterruptionTests {
    @Test func interruptedDamagedAndMisusedRuns() throws {
        let out = FileManager.default.temporaryDirectory.path + "/bcgd-\(UUID().uuidString)"
        let other = out + "-experiments"
        defer { [out, other].forEach { try? FileManager.default.removeItem(atPath: $0) } }
        let arguments = ["table1", "--only", "resnet8-float", "--threads", "1", "--precision", "f32", "--out", out]
        let checkpoint = out + "/checkpoints/fashion-mnist-resnet8-float-smoke-seed1.safetensors"

        let first = try Program("reproduce", arguments)
        first.wait(for: "from the start")
        Thread.sleep(forTimeInterval: 1)  // some steps
        first.interrupt()
        let stopped = first.finish()
        #expect(stopped.status == 130 && stopped.output.contains("--resume goes on"), "\(stopped)")
        let saved = try #require(FileManager.default.contents(atPath: checkpoint), "\(stopped)")

        try expectRefusal(arguments, "add --resume")
        try expectRefusal(["export", checkpoint, "-o", out + "/a.bcgd"], "is of an unfinished run: epoch 0 of")
        try expectRefusal(["export", "--unfinished", checkpoint, "-o", out + "/a.bcgd"], "is a float network")
        try expectRefusal(["classify", checkpoint, "a.png"], "BCGDMODL; `reproduce export` makes a packed model of a checkpoint")
        try expectRefusal(["evaluate", checkpoint, "--classes", "x", "--out", out], "--classes is for ImageNet, and \(checkpoint) was")

        // kill -9 leaves the checkpoint of before, whole.
        let second = try Program("reproduce", arguments + ["--resume"])
        second.wait(for: "going on from epoch 1, batch")
        second.kill()
        #expect(second.finish().status != 0)
        #expect(FileManager.default.contents(atPath: checkpoint) == saved)

        try FileManager.default.copyItem(atPath: Program.package.path + "/Experiments", toPath: other)
        let recipe = try String(contentsOfFile: other + "/paper.yaml", encoding: .utf8)
        try recipe.replacingOccurrences(of: "batch_size: 128", with: "batch_size: 64")
            .write(toFile: other + "/paper.yaml", atomically: true, encoding: .utf8)
        try expectRefusal(arguments + ["--resume", "--experiments", other], "batch_size: 128, not 64")
        #expect(FileManager.default.contents(atPath: checkpoint) == saved)

        var damaged = saved
        damaged[damaged.count / 2] ^= 0x10
        try damaged.write(to: URL(fileURLWithPath: checkpoint))
        try expectRefusal(arguments + ["--resume"], "is damaged")
    }
}
