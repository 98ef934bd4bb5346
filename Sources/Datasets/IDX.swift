// SPDX-License-Identifier: GPL-3.0-or-later
import Files

/// What an IDX file of unsigned bytes holds, the format of MNIST (`http://yann.lecun.com/exdb/mnist`): the magic number
/// 0x0000_08DD with DD dimensions, each dimension as a big-endian 32-bit number, then the elements, the last index fastest.
package struct IDX: Sendable {
    package let dimensions: [Int]
    package let elements: [UInt8]
    /// Of the whole content, decompressed.
    package let sha256: String

    /// Reads a file, raw or gzipped.
    /// - Parameter dimensions: those expected; `nil` for any.
    /// - Throws: `FileError`: missing or damaged file, another header, fewer or more elements than the header says.
    package init(_ path: String, dimensions expected: [Int?]) throws {
        func refusal(_ what: String) -> FileError { FileError("\(path) \(what): replace it") }
        let file = try GzipFile(path), header = try file.read(4 + 4 * expected.count)
        let words = stride(from: 0, to: header.count / 4 * 4, by: 4).map { header[$0..<$0 + 4].reduce(0) { $0 << 8 | Int($1) } }
        let magic = 0x0800 + expected.count
        guard let first = words.first, words.count == 1 + expected.count || first != magic else {
            throw refusal("has \(header.count) bytes, too few for an IDX file")
        }
        guard first == magic else {
            let of = "of an IDX file of \(Self.contents(expected.count))"
            throw refusal("begins with the number \(first), expected \(magic), \(of)\(Self.hint(first))")
        }
        dimensions = Array(words.dropFirst())
        guard zip(dimensions, expected).allSatisfy({ $1 == nil || $0 == $1 }) else {
            throw refusal("holds \(Self.product(dimensions)) bytes by its header, expected \(Self.product(expected))")
        }
        var count = 1
        for dimension in dimensions {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow, product <= 1 << 28 else {
                throw refusal("holds \(Self.product(dimensions)) bytes by its header, more than is read")
            }
            count = product
        }
        elements = try file.read(count)
        guard elements.count == count else {
            throw refusal("holds \(elements.count) bytes behind its header, expected \(Self.product(dimensions)) = \(count)")
        }
        guard try file.read(1).isEmpty else { throw refusal("goes on behind the \(Self.product(dimensions)) bytes of its header") }
        sha256 = try Datasets.sha256(of: header + elements)
    }

    private static func product(_ dimensions: [Int?]) -> String { dimensions.map { $0.map(String.init) ?? "any" }.joined(separator: "×") }

    private static func contents(_ rank: Int) -> String { rank == 1 ? "labels" : rank == 3 ? "images" : "\(rank) dimensions" }

    /// Of a magic number that is another IDX file's.
    private static func hint(_ magic: Int) -> String {
        (0x0801...0x08ff).contains(magic) ? " (it is one of \(contents(magic - 0x0800)))" : ""
    }
}
