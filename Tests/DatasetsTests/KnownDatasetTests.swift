// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Testing

@Suite struct KnownDatasetTests {
    /// What the registry says of a data set is what its files hold.
    @Test(.enabled(if: FashionMNISTTests.isInstalled, FashionMNISTTests.skip)) func theRegistryKnowsWhatIsLoaded() throws {
        let facts = KnownDataset.fashionMNIST.facts
        let dataset = try #require(KnownDataset.fashionMNIST.load(DatasetFiles()) as? ImageDataset)
        #expect(
            dataset.id == KnownDataset.fashionMNIST.id && dataset.isOfficial && dataset.classes == facts.classes
                && dataset.classes.count == facts.classCount)
        #expect(
            dataset.train.count == facts.trainImages && dataset.test.count == facts.testImages
                && dataset.train.normalization == facts.normalization)
        #expect(dataset.train.height == facts.side && dataset.train.width == facts.side && dataset.train.channels == facts.channels)
        for known in KnownDataset.allCases {
            #expect(
                known.facts.normalization.mean.count == known.facts.channels
                    && known.facts.classes?.count ?? known.facts.classCount == known.facts.classCount)
        }
    }

    @Test(arguments: [
        ("CIFAR-10", KnownDataset.cifar10, false), ("ImageNet", .imageNet, false), ("ImageNet, 10 classes", .imageNet, true),
        ("CIFAR-10, 5 classes", .cifar10, true),
        ("cifar-10", nil, false), ("ImageNet-21k", nil, false), ("ImageNet, ten classes", nil, false),
        ("ImageNet, 10 classes or so", nil, false), ("synthetic", nil, false)
    ])
    func namesTellPartsFromTheWhole(_ name: String, _ known: KnownDataset?, _ isPart: Bool) {
        let id = DatasetID(name)
        #expect(id.known == known && id.isPart == isPart && id.name == name)
    }

    @Test func aPartNeverHasThePlainName() {
        #expect(
            DatasetID(10, classesOf: .imageNet).name == "ImageNet, 10 classes"
                && DatasetID(1000, classesOf: .imageNet) != KnownDataset.imageNet.id)
        #expect(
            DatasetID("ImageNet, 10 classes").slug == "imagenet-10-classes"
                && DatasetID("Fashion MNIST").slug == DatasetID("fashion-mnist").slug)
    }

    @Test func filesThatAreNotNamed() {
        #expect { try KnownDataset.cifar10.load(DatasetFiles()) } throws: { "\($0)".contains("no folder was named") }
        #expect { try KnownDataset.imageNet.load(DatasetFiles()) } throws: { "\($0)".contains("image-net.org") }
    }
}
