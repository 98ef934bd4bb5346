// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// A published file.
struct Download {
    /// Addresses that have it, in the order in which they are tried.
    let urls: [String]
    /// Its size in bytes.
    let bytes: Int
    /// What is wrong with the file at a path, as it follows its name in a message; `nil` when it is the published one.
    let problem: (String) throws -> String?

    /// Gets the file by curl, and gives it its name when it was verified.
    ///
    /// A download that was cut off resumes from `path.part`; a wrong one is deleted.
    /// - Parameter progress: called about 50 times a second with the bytes at hand.
    /// - Throws: `FileError`: no network, no space, another file at each address.
    func get(_ path: String, progress: (Int) -> Void) throws {
        let part = path + ".part"
        var facts = stat()
        guard lstat(part, &facts) != 0 || facts.st_mode & S_IFMT == S_IFREG else {
            throw FileError("\(part) is no regular file, so it is no download of ours: delete it and fetch again")
        }
        var complaints: [String] = []
        for url in urls {
            if let complaint = try download(url, to: part, progress: progress) { complaints.append("\(url): \(complaint)"); continue }
            guard rename(part, path) == 0 else { throw FileError("cannot rename \(part): \(systemReason())") }
            return
        }
        throw FileError(
            "cannot download \(complaints.joined(separator: ", nor ")); fetch again to resume, or put the file at \(path) yourself, "
                + "or name a folder that has the data with --data")
    }

    /// - Returns: why there is no such file now, or nil.
    private func download(_ url: String, to part: String, progress: (Int) -> Void) throws -> String? {
        func report() { progress(fileSize(part)) }
        func curl() throws -> ToolResult {
            try runTool(
                "curl",
                [
                    "--fail", "--location", "--silent", "--show-error", "--connect-timeout", "20",
                    "--speed-limit", "1024", "--speed-time", "60", "--continue-at", "-", "--output", part, url
                ],
                package: "curl", whileRunning: report)
        }
        if fileSize(part) < bytes {
            var result = try curl()
            let serverCannotResume: Int32 = 33  // CURLE_RANGE_ERROR
            if result.status == serverCannotResume {
                unlink(part)
                result = try curl()
            }
            if result.status != 0 { return result.complaint }
        }
        report()
        guard let problem = try problem(part) else { return nil }
        unlink(part)
        return "what came \(problem), and was deleted"
    }
}

private func fileSize(_ path: String) -> Int {
    var info = stat()
    return stat(path, &info) == 0 ? Int(info.st_size) : 0
}
