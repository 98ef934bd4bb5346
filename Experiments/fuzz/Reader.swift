// SPDX-License-Identifier: GPL-3.0-or-later
import BCGDRuntime
import Backends
import CPlanted
import Compute
import Datasets
import Export
import Files
import Foundation
import Graph
import Quantization
import Training

/// A reader of this package under test.
struct Reader: Sendable {
    let name: String
    /// What is read, and what is done with it then.
    let about: String
    /// Makes the valid inputs and what is needed to read others, in a folder of its own.
    let open: @Sendable (_ folder: String) throws -> Session

    static let all = images + datasets + models + exchanged + tables + recipes
}

struct Session {
    let seeds: [Seed]
    /// Reads an input and uses what came of it.
    ///
    /// Throws one of the package's errors for what it refuses, `Broken` where it accepted what it should not have.
    let read: (_ input: [UInt8], _ index: Int) throws -> Void
}

/// A value was accepted, but is not what it says it is.
struct Broken: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

func need(_ condition: Bool, _ what: @autoclosure () -> String) throws {
    if !condition { throw Broken(what()) }
}

enum Refusal {
    /// Whether the error is one that a user may see: of a known type, and one line that says something.
    static func isProper(_ error: any Error) -> Bool {
        switch error {
        case is FileError, is SafetensorsError, is PackedModelError, is CheckpointError, is RecipeError, is GraphError,
            is QuantizationError, is ImageSizeError,
            is ComputeError, is ONNXError:
            break
        default: return false
        }
        let text = "\(error)"
        return !text.isEmpty && !text.unicodeScalars.contains { "\n\r".unicodeScalars.contains($0) }
    }
}

extension Reader {
    /// Faults on purpose: each must be found, or the search is worth nothing. Every one of them befalls the second input.
    static let planted = [
        Reader("planted-write", "a byte behind an allocated block is written") { planted_write_out_of_bounds(16) },
        Reader("planted-overflow", "a signed integer overflows") { _ = planted_signed_overflow(.max) },
        Reader("planted-trap", "an array is read behind its end") { _ = [1, 2][CommandLine.arguments.count + 1] },
        Reader("planted-hang", "nothing ends") { while true { usleep(1000) } },
        Reader("planted-memory", "4 GiB are allocated") { planted_allocation(1 << 32) },
        Reader("planted-error", "an error of no type of ours") { throw POSIXError(.EIO) }
    ]

    private init(_ name: String, _ about: String, fault: @escaping @Sendable () throws -> Void) {
        self.init(name: name, about: about) { _ in
            Session(seeds: [Seed([1, 2, 3]), Seed([4, 5, 6])]) { _, index in if index == 1 { try fault() } }
        }
    }
}

/// Writes the input where a reader that takes a path finds it.
func write(_ input: [UInt8], _ path: String) throws {
    try Data(input).write(to: URL(fileURLWithPath: path))
}
