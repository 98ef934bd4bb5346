// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import TestSupport
import Testing

@Suite struct MNISTTests {
    @Test(.needs(.mnist)) func officialFilesLoadAndGiveTheNormalization() throws {
        let data = try MNIST.load(folder: RealData.mnist.requirePath())
        #expect(data.isOfficial && data.name == "MNIST" && data.classes == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])
        // Counts of the digits: LeCun's page of the data gives 60,000 and 10,000; by digit they are in many public notebooks.
        let counts = [data.train, data.test].map { split in (0..<10).map { label in split.labels.count { $0 == label } } }
        #expect(counts[0] == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
        #expect(counts[1] == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
        expectNormalization(data.train)
    }
}
