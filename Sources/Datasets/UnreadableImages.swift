// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// The training images that could not be read: each is reported once, by name; too many end the run.
public final class UnreadableImages: @unchecked Sendable {
    /// What a loader says of images it cannot read.
    public typealias Report = @Sendable (String) -> Void

    private let lock = NSLock()
    private let limit: Int
    private let report: Report
    private var paths: Set<String> = []

    /// - Parameters:
    ///   - limit: so many different files may be unreadable.
    ///   - report: hears of each such file.
    public init(limit: Int, report: @escaping Report) {
        (self.limit, self.report) = (limit, report)
    }

    public var count: Int { lock.withLock { paths.count } }

    /// - Throws: `FileError` when there are more than the limit.
    func add(_ path: String, _ fault: ImageFault) throws {
        lock.lock()
        defer { lock.unlock() }
        // Above the limit every call fails: the first error may have been lost with batches that nobody took.
        guard paths.insert(path).inserted || paths.count > limit else { return }
        guard paths.count <= limit else {
            throw FileError(
                "\(path) \(fault); it is training image number \(paths.count) that cannot be read, and \(limit) are allowed: mend the "
                    + "data, or allow more with --max-unreadable"
            )
        }
        report("\(path) \(fault): its place is taken by the next image that can be read (\(paths.count) so far, \(limit) are allowed)")
    }
}
