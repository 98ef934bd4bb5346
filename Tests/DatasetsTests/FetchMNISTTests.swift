// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct FetchMNISTTests {
    /// Serves a tiny release, and hands over a folder to fetch into; a server that knows no file is the first mirror.
    func withServers(
        cuts: [Int] = [], damage: String? = nil,
        _ body: (_ empty: RangeServer, _ full: RangeServer, IDXRelease, MNIST.Source, String) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            let release = try TinyIDX().store(in: folder + "/source", gzipped: true)
            var files: [String: Data] = [:]
            for name in release.files.map({ "\($0.name).gz" }) {
                files[name] = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/source/\(name)"))
            }
            let sizes = release.files.map { files["\($0.name).gz"]?.count ?? 0 }
            if let damage { files[damage]?[20] ^= 1 }
            let (empty, full) = (RangeServer(files: [:]), RangeServer(files: files, cuts: cuts))
            defer { empty.stop(); full.stop() }
            try body(empty, full, release, MNIST.Source(mirrors: [empty.url + "/a", full.url + "/b"], gzipBytes: sizes), folder + "/data")
        }
    }

    @Test func downloadsVerifiesAndKeeps() throws {
        try withServers { empty, full, release, source, data in
            var reports: [Int] = []
            let total = source.gzipBytes.reduce(0, +)
            let target = try MNIST.fetch(into: data, release: release, from: source) { bytes, all in
                reports.append(bytes)
                #expect(all == total)
            }
            #expect(target == data + "/tiny" && reports.last == total && reports == reports.sorted())
            #expect(try release.load(folder: data, allowUnofficial: false).isOfficial)
            let names = release.files.map { "\($0.name).gz" }, there = try FileManager.default.contentsOfDirectory(atPath: target)
            #expect(there.sorted() == names.sorted())
            #expect(empty.paths == names.map { "/a/" + $0 } && full.paths == names.map { "/b/" + $0 })
            _ = try MNIST.fetch(into: data, release: release, from: source)
            #expect(full.paths.count == 4)
        }
    }

    @Test func filesThatAreThereNeedNoNetwork() throws {
        try withServers { _, full, release, source, data in
            _ = try TinyIDX().store(in: data + "/tiny", gzipped: false)
            _ = try MNIST.fetch(into: data, release: release, from: source)
            #expect(full.paths.isEmpty)
            let path = data + "/tiny/t10k-labels-idx1-ubyte"
            try write([7], path)
            let text = message { _ = try MNIST.fetch(into: data, release: release, from: source) }
            #expect(text.hasPrefix(path) && text.contains("move it away"), "\(text)")
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data([7]))
        }
    }

    @Test func resumesWhereTheConnectionWasCut() throws {
        try withServers(cuts: [100]) { _, full, release, source, data in
            let text = message { _ = try MNIST.fetch(into: data, release: release, from: source) }
            for part in ["404", "to resume", source.mirrors[0], source.mirrors[1], "\(data)/tiny/train-images-idx3-ubyte.gz", "--data"] {
                #expect(text.contains(part), "\(text)")
            }
            _ = try MNIST.fetch(into: data, release: release, from: source)
            #expect(full.ranges == ["", "bytes=100-", "", "", ""])
        }
    }

    @Test func aWrongDownloadIsDeleted() throws {
        try withServers(damage: "t10k-images-idx3-ubyte.gz") { _, _, release, source, data in
            let text = message { _ = try MNIST.fetch(into: data, release: release, from: source) }
            #expect(text.contains("t10k-images-idx3-ubyte.gz") && text.contains("was deleted"), "\(text)")
            let left = try FileManager.default.contentsOfDirectory(atPath: data + "/tiny")
            #expect(left.count == 2)
        }
    }
}
