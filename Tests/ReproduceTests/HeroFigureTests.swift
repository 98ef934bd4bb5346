// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

extension ReportTests {
    /// The README's picture shows BCGD and BinaryConnect with the same seeds, as many as both have: seeds 2 and 3, whose float runs are of
    /// one precision; once one of the two methods lacks a seed of theirs, seed 1.
    @Test func theFirstPictureShowsThePairWithTheMostSeeds() throws {
        func titles() throws -> [Substring] {
            #expect(try report().status == 0)
            let commands = try String(contentsOfFile: results + "/figures/hero.gp", encoding: .utf8)
            #expect(commands.contains("set ylabel \"test top-1 (%)\""))
            return commands.matches(of: /title '((?:BCGD|BinaryConnect), [^']*)'/).map(\.output.1)
        }
        try withCopy {
            #expect(try titles() == ["BCGD, mean and range of 2 seeds", "BinaryConnect, mean and range of 2 seeds"])
            // ImageNet's are its validation images.
            let page = try String(contentsOfFile: results + "/index.html", encoding: .utf8)
            #expect(page.contains("CIFAR-10 (unofficial files), protocol paper, test top-1, % against the epoch"))
            #expect(page.contains("ImageNet, 10 classes (unofficial files), protocol brief, validation top-1, % against the epoch"))
            let band = try String(contentsOfFile: results + "/figures/hero-2.csv", encoding: .utf8)
            #expect(band.hasPrefix("epoch,mean,low,high\n1,") && !band.contains(",,"), "\(band.prefix(60))")

            try edit("results/runs.csv", "CIFAR-10,resnet20,1,4,bc,paper,3,", "CIFAR-10,resnet20,1,4,bc,paper,4,")
            let run = results + "/runs/cifar-10-resnet20-1w4a-bc-paper-seed"
            try FileManager.default.moveItem(atPath: run + "3-mixed", toPath: run + "4-mixed")
            #expect(try titles() == ["BCGD, one seed", "BinaryConnect, one seed"])
        }
    }
}
