// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Foundation
import TestSupport
import Testing

/// The text files beside ImageNet's images: whatever ends their lines, and whatever they claim.
@Suite struct ClassListTests {
    private static let ten = """
        0 n01440764 tench
        217 n02102040 English springer
        482 n02979186 cassette player
        701 n03888257 parachute
        """

    /// LF, CRLF, CR, no last line end, and each with a byte-order mark: the same text.
    static func variants(of text: String) -> [String] {
        let all = [
            text + "\n", text.replacingOccurrences(of: "\n", with: "\r\n") + "\r\n", text.replacingOccurrences(of: "\n", with: "\r") + "\r",
            text
        ]
        return all + all.map { "\u{FEFF}" + $0 }
    }

    private func list(_ text: String, numbering: ClassList.Numbering = .places) throws -> ClassList {
        try withTemporaryFolder { folder in
            try write(Array(text.utf8), "\(folder)/list.txt")
            return try ClassList(contentsOf: "\(folder)/list.txt", numbering: numbering)
        }
    }

    private func refusal(_ text: String, numbering: ClassList.Numbering = .places) -> String {
        message { _ = try list(text, numbering: numbering) }
    }

    @Test func lineEndsDoNotMatter() throws {
        for (index, text) in Self.variants(of: Self.ten).enumerated() {
            let read = try list(text)
            #expect(
                read.entries.map(\.number) == [0, 217, 482, 701]
                    && read.entries.map(\.name) == ["tench", "English springer", "cassette player", "parachute"], "\(index)")
        }
        // A comment above, and lines in no order.
        #expect(try list("# ten\r\n701 n03888257 p\r\n\r\n0 n01440764 t\r\n").entries.map(\.wnid) == ["n01440764", "n03888257"])
    }

    @Test func utf16IsNamed() throws {
        try withTemporaryFolder { folder in
            for encoding in [String.Encoding.utf16, .utf16LittleEndian, .utf16BigEndian] {
                let mark: [UInt8] = encoding == .utf16LittleEndian ? [0xFF, 0xFE] : encoding == .utf16BigEndian ? [0xFE, 0xFF] : []
                try write(mark + Array(try #require(Self.ten.data(using: encoding))), "\(folder)/list.txt")
                #expect(message { _ = try ClassList(contentsOf: "\(folder)/list.txt") }.contains("UTF-16: save it as UTF-8"))
            }
        }
    }

    /// SHA-256 of timm 1.0.31's imagenet_synsets.txt, by sha256sum; and the ten places that torchvision's weights bear out.
    @Test func theThousandClasses() throws {
        let wnids = ImageNetClasses.wnids
        try withTemporaryFolder { folder in
            try write(Array((wnids.joined(separator: "\n") + "\n").utf8), "\(folder)/wnids")
            #expect(try sha256(ofFiles: ["\(folder)/wnids"]) == ["70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15"])
        }
        #expect(wnids.count == 1000 && wnids == wnids.sorted() && wnids[217] == "n02102040" && wnids[701] == "n03888257")
    }

    /// The order of map_clsloc.txt, of the names, or a shift by one: each would give wrong accuracies without a word.
    @Test(arguments: [
        ("n01440764 10 tench\nn02102040 9 springer", ":1: n01440764 has place 0 among ImageNet-1k's classes"),
        ("1 n01440764 tench\n218 n02102040 springer", ":1: n01440764 has place 0"),
        ("0 n01440764 tench\n1 n02102040 springer", ":2: n02102040 has place 217"),
        ("0 n09999999 none\n217 n01440764 tench", ":2: n01440764 has place 0"),
        ("0 n01440764 tench", "holds one class"), ("# a\n\n0 n01440764 tench\n", "holds one class"), ("", "holds no class"),
        ("0 n01440764 fish\n217 n02102040 fish", ":2: a class named fish was given before"),
        ("0 n01440764 a\n0 n02102040 b", ":2: 0 or n02102040 was given before"),
        ("1000000 n09999999 a", ":1: expected a number"), ("9223372036854775807 n09999999 a", ":1: expected"),
        ("0 n0144076 a", ":1: expected")
    ])
    func wrongListsAreRefused(_ text: String, _ words: String) throws {
        for variant in Self.variants(of: text) { #expect(refusal(variant).contains(words), "\(refusal(variant))") }
    }

    /// Classes that are none of ImageNet-1k's have the places that the list gives them.
    @Test func otherClassesMayHaveAnyPlace() throws {
        #expect(try list("7 n09999999 a\n3 n09999998 b\n482 n02979186 c").entries.map(\.number) == [3, 7, 482])
    }

    /// ILSVRC2012_IDs in the order of sorted ids are none.
    @Test func kitIDs() throws {
        #expect(try list("1 n02119789 kit fox\n449 n01440764 tench\n", numbering: .kitIDs).entries.count == 2)
        for text in ["1 n01440764 tench\n218 n02102040 springer", "0 n01440764 tench\n217 n02102040 springer"] {
            #expect(refusal(text, numbering: .kitIDs).contains("which ILSVRC2012_IDs are not"))
        }
    }

    /// Ground truth and synsets with every kind of line end, as published: all validation images in one folder.
    @Test func groundTruthsLineEndsDoNotMatter() throws {
        let tiny = try TinyImageNet()
        for (label, wnid) in TinyImageNet.wnids.enumerated() {
            for index in 0..<3 {
                let number = 3 * label + index + 1
                try FileManager.default.moveItem(
                    atPath: "\(tiny.folder)/val/\(wnid)/\(wnid)_\(index).JPEG",
                    toPath: "\(tiny.folder)/val/ILSVRC2012_val_0000000\(number).JPEG")
            }
            try FileManager.default.removeItem(atPath: "\(tiny.folder)/val/\(wnid)")
        }
        let synsets = "449 n01440764 tench\n5 n02102040 springer\n1 n03888257 parachute", truth = "449\n449\n449\n5\n5\n5\n1\n1\n1"
        let direct = [0, 0, 0, 1, 1, 1, 2, 2, 2].map { TinyImageNet.wnids[$0] }.joined(separator: "\n")
        for (index, (truth, synsets))
            in (Array(zip(Self.variants(of: truth), Self.variants(of: synsets))) + Self.variants(of: direct).map { ($0, "") }).enumerated()
        {
            // Blank lines at the end are no images.
            try write(Array((truth + (truth.hasSuffix("\n") ? "\n" : "")).utf8), "\(tiny.folder)/ILSVRC2012_validation_ground_truth.txt")
            try? FileManager.default.removeItem(atPath: "\(tiny.folder)/ILSVRC2012_synsets.txt")
            if !synsets.isEmpty { try write(Array(synsets.utf8), "\(tiny.folder)/ILSVRC2012_synsets.txt") }
            let split = try ImageNet(folder: tiny.folder, unreadable: UnreadableImages(limit: 0) { _ in }).testSplit(CenterCrop(crop: 32))
            #expect((0..<split.count).map(split.label) == [0, 0, 0, 1, 1, 1, 2, 2, 2], "\(index)")
        }
    }

    /// The folders' ids tell their places; one folder is nothing to learn.
    @Test func sortedFolders() throws {
        let tiny = try TinyImageNet()
        #expect(try ImageNet(folder: tiny.folder, unreadable: UnreadableImages(limit: 0) { _ in }).numbers == [0, 217, 701])
        for wnid in TinyImageNet.wnids.dropFirst() {
            for split in ["train", "val"] { try FileManager.default.removeItem(atPath: "\(tiny.folder)/\(split)/\(wnid)") }
        }
        #expect(
            message { _ = try ImageNet(folder: tiny.folder, unreadable: UnreadableImages(limit: 0) { _ in }) }.contains(
                "holds one class, n01440764"))
    }

    /// Ids stand in the order of the scores; names in words, of which some may look like ids, say nothing of it.
    @Test func idsInAnotherOrderAreRefused() throws {
        try ImageNetClasses.expectOrder(["n01440764", "n01443537", "n15075141"], in: "list")
        try ImageNetClasses.expectOrder(["n01443537", "tench"], in: "list")
        #expect(
            message { try ImageNetClasses.expectOrder(["n01440764", "n02102040", "n01443537"], in: "list") }.hasPrefix(
                "list: n01443537 stands behind n02102040"))
        #expect(message { try ImageNetClasses.expectOrder(["n01440764", "n01440764"], in: "list") }.contains("stands behind"))
    }
}
