// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct FetchCIFAR10Tests {
    /// Packs a tiny release, serves it, and hands over an empty folder to fetch into.
    func withServer(
        cuts: [Int] = [], acceptsRanges: Bool = true, damage: Bool = false,
        _ body: (RangeServer, CIFAR10Release, String) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            var release = try TinyCIFAR10.make(in: folder + "/source")
            var bytes = try Data(contentsOf: URL(fileURLWithPath: TinyCIFAR10.pack(&release, in: folder + "/source")))
            if damage { bytes[bytes.count / 2] ^= 1 }
            let server = RangeServer(files: ["cifar-10-binary.tar.gz": bytes], cuts: cuts, acceptsRanges: acceptsRanges)
            defer { server.stop() }
            release.url = server.url + "/cifar-10-binary.tar.gz"
            try body(server, release, folder + "/data")
        }
    }

    @Test func downloadsVerifiesAndUnpacksOnce() throws {
        try withServer { server, release, data in
            var reports: [Int] = []
            let target = try CIFAR10.fetch(into: data, release: release) { bytes, total in
                reports.append(bytes)
                #expect(total == release.archiveBytes)
            }
            #expect(target == data + "/cifar-10-batches-bin")
            #expect(reports.last == release.archiveBytes && reports == reports.sorted())
            #expect(try CIFAR10.load(folder: data, allowUnofficial: false, release: release).isOfficial)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: data).sorted() == ["cifar-10-batches-bin", "cifar-10-binary.tar.gz"])
            _ = try CIFAR10.fetch(into: data, release: release)
            #expect(server.ranges == [""])
        }
    }

    @Test func resumesWhereTheConnectionWasCut() throws {
        try withServer(cuts: [500]) { server, release, data in
            let text = message { _ = try CIFAR10.fetch(into: data, release: release) }
            #expect(text.contains("resume") && text.contains(release.url))
            #expect(try Data(contentsOf: URL(fileURLWithPath: data + "/cifar-10-binary.tar.gz.part")).count == 500)
            _ = try CIFAR10.fetch(into: data, release: release)
            #expect(server.ranges == ["", "bytes=500-"])
        }
    }

    @Test func startsAgainWhereTheServerCannotResume() throws {
        try withServer(cuts: [500], acceptsRanges: false) { server, release, data in
            _ = message { _ = try CIFAR10.fetch(into: data, release: release) }
            _ = try CIFAR10.fetch(into: data, release: release)
            #expect(server.ranges == ["", "bytes=500-", ""])
        }
    }

    @Test func wrongDownloadIsDeletedAndNotUnpacked() throws {
        try withServer(damage: true) { _, release, data in
            let text = message { _ = try CIFAR10.fetch(into: data, release: release) }
            #expect(text.contains(release.archiveSHA256) && text.contains("fetch again"))
            let left = try FileManager.default.contentsOfDirectory(atPath: data)
            #expect(left.isEmpty)
        }
    }

    @Test func offlineSaysWhatToDo() throws {
        try withServer { server, release, data in
            server.stop()
            let text = message { _ = try CIFAR10.fetch(into: data, release: release) }
            for part in [release.url, data + "/cifar-10-binary.tar.gz", "--data"] { #expect(text.contains(part)) }
        }
    }

    @Test(arguments: ["cifar-10-binary.tar.gz", "cifar-10-binary.tar.gz.part"])
    func completeArchiveNeedsNoNetwork(name: String) throws {
        try withTemporaryFolder { folder in
            var release = try TinyCIFAR10.make(in: folder + "/source")
            let archive = try TinyCIFAR10.pack(&release, in: folder + "/source")
            try FileManager.default.createDirectory(atPath: folder + "/data", withIntermediateDirectories: true)
            try FileManager.default.moveItem(atPath: archive, toPath: "\(folder)/data/\(name)")
            let target = try CIFAR10.fetch(into: folder + "/data", release: release)
            #expect(exists(target + "/test_batch.bin"))
        }
    }

    @Test func damagedArchiveIsRefusedAndKept() throws {
        try withTemporaryFolder { folder in
            var release = try TinyCIFAR10.make(in: folder + "/source")
            _ = try TinyCIFAR10.pack(&release, in: folder + "/source")
            let archive = folder + "/cifar-10-binary.tar.gz"
            try write([1, 2, 3], archive)
            let text = message { _ = try CIFAR10.fetch(into: folder, release: release) }
            #expect(text.contains(archive) && text.contains("delete it"))
            #expect(exists(archive) && !exists(folder + "/cifar-10-batches-bin"))
        }
    }

    @Test func otherFilesInTheTargetAreLeftAlone() throws {
        try withServer { server, release, data in
            _ = try TinyCIFAR10.make(in: data)
            let path = data + "/cifar-10-batches-bin/test_batch.bin"
            try write([7], path)
            let text = message { _ = try CIFAR10.fetch(into: data, release: release) }
            #expect(text.contains("move") && server.ranges.isEmpty)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data([7]))
        }
    }
}
