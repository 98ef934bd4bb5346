// SPDX-License-Identifier: GPL-3.0-or-later
import Experiments
import Foundation
import TestSupport
import Testing
import Training
import TrainingTestSupport

/// How recipe files are read: YAML 1.2's core schema, every number within its range, and every fault traced to the file and
/// line where it stands.
@Suite struct RecipeFileTests {
    private func refusal(_ body: () throws -> Void) -> String {
        let error = #expect(throws: (any Error).self) { try body() }
        let line = error.map { "\($0)" } ?? ""
        #expect(!line.contains("\n"), "\(line)")
        return line
    }

    /// Values that YAML 1.1 or Swift would take for others, or that no arithmetic survives. The message names the file, the
    /// line, the key, the value and the range.
    @Test(arguments: [
        ("weight_decay", ".inf"), ("weight_decay", ".nan"), ("weight_decay", "1e39"), ("weight_decay", "-1.0e-4"),
        ("weight_decay", "1e-50"),
        ("momentum", "0,95"), ("momentum", "0.9_5"), ("momentum", "\"0.9\""), ("momentum", ""), ("momentum", "~"), ("momentum", "[0.9]"),
        ("momentum", "nan"),
        ("momentum", "0x1p-1"), ("momentum", "!!float 0.9"), ("rate", "1:30.5"), ("rate", "1e999"), ("rate", "inf"), ("rate", "1e-400"),
        ("epochs", "1:30"), ("epochs", "0x10"), ("epochs", "0o10"), ("epochs", "1_0"), ("epochs", "1e1"), ("epochs", "10.0"),
        ("epochs", "'10'"),
        ("epochs", "99999999999999999999"), ("epochs", "0b11"), ("batch_size", "1000000000"), ("batch_size", "9223372036854775807"),
        ("batch_size", "-1"),
        ("lloyd_iterations", "2147483648"), ("relaxation_start", "1e-44"), ("rate_divisor", ".inf"), ("resolution_rate_factor", "1e300"),
        ("resolution_gradient_factor", "3.5e38"), ("resolution_maximum", "1e38"), ("smallest_crop", "1.0001"), ("layer_bits", "8"),
        ("layer_bits", "{}"), ("layer_bits", "{ fc: 9 }"), ("layer_bits", "{ fc: eight }"), ("crop_padding", "17"),
        ("flip", "yes"), ("flip", "on"), ("flip", "no"), ("flip", "1"), ("flip", "\"true\""), ("milestones", "[010, 1:30]"),
        ("milestones", "[2, 2]"),
        ("milestones", "3"), ("milestones", "[0x3]"), ("method", "Float"), ("scaling", "true")
    ])
    func aValueOutOfRangeIsTraced(_ key: String, _ value: String) throws {
        let text = recipeText([key: value])
        let line = text.split(separator: "\n").firstIndex { $0.hasPrefix("\(key):") }.map { $0 + 1 } ?? 0
        let message = refusal { _ = try recipe([key: value]) }
        #expect(message.contains("recipe.yaml:\(line): \(key) must be ") && message.contains(", not "), "\(message)")
    }

    @Test func wholeNumbersAreDecimal() throws {
        let read = try recipe(["epochs": "010", "milestones": "[08, +9]", "flip": "False", "momentum": ".5", "rate": "+1.e-1"])
        #expect(read.epochs == 10 && read.milestones == [8, 9] && !read.flip && read.momentum == 0.5 && read.learningRate == 0.1)
    }

    /// A limit that the base has is taken back by an empty value; a key that must be given cannot be.
    @Test func anOptionalKeyMayBeEmpty() throws {
        #expect(try recipe(["resolution_maximum": "~"]).stepSizeMaximum == nil && recipe(["lloyd_iterations": ""]).lloydIterations == 100)
    }

    /// A value of the base, the phase, the protocol or the cell is blamed on the file and line where it stands.
    @Test(arguments: [
        ("base.yaml", "momentum: 0.9", "momentum: 0,95", "base.yaml:14: momentum"),
        ("base.yaml", "rate: 0.3", "rate: fast", "base.yaml:18: rate"),
        ("protocols/smoke.yaml", "epochs: 7", "epochs: 7x", "protocols/smoke.yaml:2: epochs"),
        ("cells.yaml", "blending: 0.5", "blending: 1.5", "cells.yaml:4: blending"),
        // A rule that joins two settings is blamed on the one that it names.
        (
            "cells.yaml", "blending: 0.5", "resolution_maximum: 1.0e-4",
            "cells.yaml:4: resolution_maximum must be at least resolution_minimum"
        ),
        ("base.yaml", "flip: true", "colour: red", "base.yaml:17: unknown key colour"),
        ("cells.yaml", "blending: 0.5", "protocols: [smok]", "unknown protocol smok"),
        ("cells.yaml", "network: resnet8", "network: resnet9", "cells.yaml:4: network must be one of")
    ])
    func aLayeredSettingIsTraced(_ file: String, _ old: String, _ new: String, _ words: String) throws {
        let folder = try TemporaryFolder()
        let own = ["method", "weight_bits", "activation_bits", "network", "epochs", "milestones", "rate:"]
        let base = baseRecipe.split(separator: "\n").filter { line in !own.contains { line.hasPrefix($0) } }
        let files = [
            "base.yaml": "# about\n\n" + base.joined(separator: "\n") + "\nfloat: {}\nquantized: { rate: 0.3 }\n",
            "protocols/smoke.yaml": "float: {}\nquantized: { epochs: 7, milestones: [3] }\n",
            "cells.yaml":
                "base: base.yaml\ncells:\n  # one\n  - { cell: a, network: resnet8, weight_bits: 1, activation_bits: 4, method: bcgd, "
                + "blending: 0.5 }\n"
        ]
        for (name, text) in files { _ = try folder.write(text, to: name) }
        let cell = try #require(ExperimentCells(.smoke, folder: folder.path).cells.first)
        #expect(cell.recipe.learningRate == 0.3 && cell.recipe.epochs == 7 && cell.recipe.blending == 0.5)
        let text = try #require(files[file]), changed = text.replacingOccurrences(of: old, with: new)
        try #require(changed != text)
        _ = try folder.write(changed, to: file)
        let number = text.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains(old) }.map { $0 + 1 } ?? 0
        let message = refusal { _ = try ExperimentCells(.smoke, folder: folder.path) }
        let expected = words.replacing(/yaml:\d+/, with: "yaml:\(number)")
        #expect(message.contains(expected), "\(message), expected \(expected)")
    }

    /// Nine levels of nine aliases are 3.9·10⁸ nodes; as keys they would be hashed while the file is read.
    @Test(arguments: [false, true]) func aliasesAreRefusedAtOnce(asKeys: Bool) throws {
        let levels = (1...9).map { level in
            "a\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", "))]"
        }
        let text = (["a0: &a0 [x]"] + levels + (asKeys ? ["b: { ? *a9 : 1, ? *a9 : 2 }"] : [])).joined(separator: "\n")
        let folder = try TemporaryFolder()
        let path = try folder.write(text, to: "recipe.yaml")
        #expect(refusal { _ = try Settings(contentsOf: path) }.contains("recipe.yaml:1: &a0 looks like an anchor or alias"))
        for value in ["*paper", "{ <<: *paper }", "&x 3"] {
            #expect(refusal { _ = try recipe(["epochs": value]) }.contains("anchor or alias"))
        }
        #expect(refusal { _ = try recipe(["<<": "{ epochs: 3 }"]) }.contains("unknown key <<"))
        // Comments may say what they like.
        #expect(try recipe(["epochs": "5   # *five* & no more"]).epochs == 5)
    }

    @Test(arguments: [
        "a: 1\n---\nb: 2\n", "a: 1\na: 2\n", "\"a\": 1\na: 2\n", "? [a]\n: 1\n", "a: [\n", "- a\n", "\u{0}", "a: 'x\n",
        String(repeating: "[", count: 100_000)
    ])
    func whatIsNoMappingIsRefused(_ text: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(text, to: "recipe.yaml")
        #expect(refusal { _ = try Settings(contentsOf: path).recipe() }.contains("recipe.yaml"))
    }

    /// Line ends and a byte-order mark are the editor's, not the recipe's.
    @Test func lineEndsDoNotMatter() throws {
        let folder = try TemporaryFolder()
        let text = "# A recipe.\n" + recipeText(["method": "bcgd", "weight_bits": "1"]) + "\n"
        let expected = try Settings(contentsOf: folder.write(text, to: "lf.yaml")).recipe()
        let variants = [
            text.replacingOccurrences(of: "\n", with: "\r\n"), text.replacingOccurrences(of: "\n", with: "\r"), "\u{FEFF}" + text,
            String(text.dropLast()),
            "\u{FEFF}" + text.replacingOccurrences(of: "\n", with: "\r\n")
        ]
        for (index, variant) in variants.enumerated() {
            #expect(try Settings(contentsOf: folder.write(variant, to: "\(index).yaml")).recipe() == expected, "\(index)")
        }
        let path = "\(folder.path)/utf16.yaml"
        try text.data(using: .utf16)?.write(to: URL(fileURLWithPath: path))
        #expect(refusal { _ = try Settings(contentsOf: path) }.contains("UTF-16: save it as UTF-8"))
        // The comment that a base recipe begins with is its description.
        for (name, about) in [("a.yaml", variants[0]), ("b.yaml", variants[1])] {
            _ = try folder.write(about + "\nfloat: {}\nquantized: {}\n", to: "bases/\(name)")
        }
        #expect(try BaseRecipe.all(in: folder.path + "/bases").map(\.about) == ["A recipe.", "A recipe."])
    }
}
