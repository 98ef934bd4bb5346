// SPDX-License-Identifier: GPL-3.0-or-later
import Reporting
import Testing

/// A clock and an output in the test's hands.
private final class Stage {
    var time = 100.0
    var output = ""
    var columns = 200

    func bar(terminal: Bool, epochs: Int = 4, imagesBefore: Int = 0) -> ProgressBar {
        ProgressBar(
            label: "bcgd", epochs: epochs, imagesPerEpoch: 1000, imagesBefore: imagesBefore, isTerminal: terminal,
            columns: { self.columns }, now: { self.time }, write: { self.output += $0 })
    }
}

@Suite struct ProgressBarTests {
    /// 500 images in 10 s are 50 a second; 3500 are left, so 70 s.
    @Test func plainLines() {
        let stage = Stage()
        var bar = stage.bar(terminal: false)
        stage.time += 5
        bar.update(epoch: 1, images: 250, loss: 2, accuracy: 10)
        #expect(stage.output == "")
        stage.time += 5
        bar.update(epoch: 1, images: 500, loss: 1.5, accuracy: 20)
        #expect(stage.output == "bcgd  epoch 1/4  50 images/s  0:01:10 left  loss 1.5000  train 20.00 %\n")
        stage.output = ""
        stage.time += 9.9
        bar.update(epoch: 1, images: 990, loss: 1.5, accuracy: 20)
        #expect(stage.output == "")
        stage.time += 0.1
        bar.endEpoch(1, loss: 1.25, accuracy: 30, evaluated: ("test", 40.5))
        #expect(stage.output == "bcgd  epoch 1/4  50 images/s  0:01:00 left  loss 1.2500  train 30.00 %  test 40.50 %\n")
        stage.output = ""
        bar.close()
        #expect(stage.output == "")
    }

    /// A run of ten epochs of 1 s: one line each, nothing between.
    @Test func shortEpochsGetOneLineEach() {
        let stage = Stage()
        var bar = stage.bar(terminal: false, epochs: 10)
        for epoch in 1...10 {
            for step in 1...10 {
                stage.time += 0.1
                bar.update(epoch: epoch, images: 100 * step, loss: 1, accuracy: 1)
            }
            bar.endEpoch(epoch, loss: 1, accuracy: 1, evaluated: nil)
        }
        #expect(stage.output.split(separator: "\n").count == 10)
        #expect(stage.output.contains("epoch 10/10  1000 images/s  0:00:10 taken"))
    }

    /// After a resume at image 600 of epoch 3 only what this process saw counts: 100 images in 10 s, so 130 s for 1300 more.
    @Test func resumedRunsCountTheirOwnImages() {
        let stage = Stage()
        var bar = stage.bar(terminal: false, imagesBefore: 2600)
        stage.time += 10
        bar.update(epoch: 3, images: 700, loss: 1, accuracy: 1)
        #expect(stage.output.contains("epoch 3/4  10 images/s  0:02:10 left"))
        stage.time += 30
        bar.endEpoch(3, loss: 1, accuracy: 1, evaluated: nil)
        #expect(stage.output.contains("epoch 3/4  10 images/s  0:01:40 left"))
    }

    @Test(arguments: [200, 80, 60, 20, 2, 1, 0])
    func terminalLinesFitTheWidth(columns: Int) throws {
        let stage = Stage()
        stage.columns = columns
        var bar = stage.bar(terminal: true)
        stage.time += 10
        bar.update(epoch: 1, images: 500, loss: 1.5, accuracy: 20)
        stage.time += 0.05
        bar.update(epoch: 1, images: 600, loss: 1.5, accuracy: 20)  // too soon to be seen
        let output = stage.output
        try #require(output.hasPrefix("\r") && output.hasSuffix("\u{1B}[K") && !output.contains("\n"))
        let line = output.dropFirst().dropLast(3)
        #expect(line.count <= max(0, columns - 1))
        if columns == 200 { #expect(line.hasPrefix("[###############...............]  bcgd  epoch 1/4")) }
        if columns == 80 { #expect(line == "bcgd  epoch 1/4  50 images/s  0:01:10 left  loss 1.5000  train 20.00 %") }
        bar.close()
        bar.close()
        #expect(stage.output == output + "\n")
    }

    @Test func anEpochsEndReplacesTheOpenLine() {
        let stage = Stage()
        var bar = stage.bar(terminal: true)
        stage.time += 10
        bar.update(epoch: 1, images: 500, loss: 1.5, accuracy: 20)
        stage.output = ""
        bar.endEpoch(1, loss: 1, accuracy: 30, evaluated: nil)
        bar.close()
        #expect(stage.output == "\r\u{1B}[Kbcgd  epoch 1/4  100 images/s  0:00:30 left  loss 1.0000  train 30.00 %\n")
    }
}
