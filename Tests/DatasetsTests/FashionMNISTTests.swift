// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import TestSupport
import Testing

@Suite struct FashionMNISTTests {
    static let isInstalled = exists(FashionMNIST.debianFolder)
    static let skip: Comment = "the package dataset-fashion-mnist is not installed"

    @Test(.enabled(if: isInstalled, skip)) func debianFilesLoadAndGiveTheNormalization() throws {
        let data = try FashionMNIST.load()
        #expect(data.isOfficial && data.classes.count == 10)
        // The release's README: 60,000 and 10,000 examples; the paper: classes of equal size.
        for (split, each) in [(data.train, 6000), (data.test, 1000)] {
            #expect((0..<10).map { label in split.labels.count { $0 == label } } == Array(repeating: each, count: 10))
        }
        expectNormalization(data.train)
    }
}
