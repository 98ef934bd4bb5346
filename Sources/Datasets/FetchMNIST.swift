// SPDX-License-Identifier: GPL-3.0-or-later
import Files

extension MNIST {
    /// Makes sure that `folder/mnist` holds the four official files, raw or gzipped, by curl.
    ///
    /// Files that are there are verified and kept; a download that was cut off resumes from `NAME.gz.part`.
    /// - Parameters:
    ///   - folder: made if it is not there.
    ///   - progress: called about 50 times a second with the bytes at hand and the bytes in all.
    /// - Returns: the folder with the files, for `load`.
    /// - Throws: `FileError`: no network, no space, or other files already in that place.
    @discardableResult
    public static func fetch(into folder: String, progress: (Int, Int) -> Void = { _, _ in }) throws -> String {
        try fetch(into: folder, release: release, from: source, progress: progress)
    }

    package static func fetch(
        into folder: String, release: IDXRelease, from source: Source, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> String {
        let target = "\(folder)/\(release.folderName)", total = source.gzipBytes.reduce(0, +)
        try makeFolder(target)
        return try withLock(on: target) {
            var done = 0
            for (file, bytes) in zip(release.files, source.gzipBytes) {
                func problem(_ path: String) -> String? {
                    do { return release.problem(with: try IDX(path, dimensions: file.dimensions), of: file) } catch {
                        return "is another file (\(error))"
                    }
                }
                if let path = release.path(of: file, in: target) {
                    if let problem = problem(path) { throw FileError("\(path) \(problem); move it away to fetch the official file") }
                } else {
                    let urls = source.mirrors.map { "\($0)/\(file.name).gz" }
                    try Download(urls: urls, bytes: bytes, problem: problem).get("\(target)/\(file.name).gz") { progress(done + $0, total) }
                }
                done += bytes
                progress(done, total)
            }
            return target
        }
    }
}
