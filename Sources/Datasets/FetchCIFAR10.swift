// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

extension CIFAR10 {
    /// Makes sure that `folder/cifar-10-batches-bin` holds the official files, by curl and tar.
    ///
    /// A download that was cut off resumes from `cifar-10-binary.tar.gz.part`; a complete `cifar-10-binary.tar.gz`
    /// in the folder is used without network. Nothing is unpacked before its checksum is verified.
    /// - Parameters:
    ///   - folder: made if it is not there.
    ///   - progress: called about 50 times a second with the bytes at hand and the bytes in all.
    /// - Returns: the folder with the files, for `load`.
    /// - Throws: `FileError`: no network, no space, wrong checksum, or other files already in that place.
    @discardableResult
    public static func fetch(into folder: String, progress: (Int, Int) -> Void = { _, _ in }) throws -> String {
        try fetch(into: folder, release: .official, progress: progress)
    }

    package static func fetch(
        into folder: String, release: CIFAR10Release, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> String {
        try makeFolder(folder)
        return try withLock(on: folder) { try fetchAlone(into: folder, release: release, progress: progress) }
    }

    private static func fetchAlone(into folder: String, release: CIFAR10Release, progress: (Int, Int) -> Void) throws -> String {
        let target = "\(folder)/\(CIFAR10Release.folderName)"
        if FileManager.default.fileExists(atPath: target) {
            let impostor: String?
            do { impostor = try firstUnofficialFile(in: target, release: release) } catch let error as FileError {
                impostor = error.description
            }
            if let impostor { throw FileError("\(impostor); move \(target) away to fetch the official files") }
            return target
        }
        let archive = "\(folder)/\(CIFAR10Release.archiveName)"
        func problem(_ path: String) throws -> String? {
            let found = try sha256(ofFiles: [path])[0]
            return found == release.archiveSHA256 ? nil : "has SHA-256 \(found), expected \(release.archiveSHA256)"
        }
        if !FileManager.default.fileExists(atPath: archive) {
            let download = Download(urls: [release.url], bytes: release.archiveBytes, problem: problem)
            try download.get(archive) { progress($0, release.archiveBytes) }
        }
        if let problem = try problem(archive) { throw FileError("\(archive) \(problem); delete it and fetch again") }
        try unpack(archive, to: target, release: release)
        return target
    }

    /// Unpacks beside the target and renames, so that an interrupted run leaves no half-filled target.
    private static func unpack(_ archive: String, to target: String, release: CIFAR10Release) throws {
        let scratch = target + ".part"
        try withTemporaryFolder(scratch) {
            let result = try runTool(
                "tar", ["--extract", "--gzip", "--no-same-owner", "--file", archive, "--directory", scratch], package: "tar")
            guard result.status == 0 else { throw FileError("cannot unpack \(archive): \(result.complaint)") }
            let unpacked = "\(scratch)/\(CIFAR10Release.folderName)"
            if let impostor = try firstUnofficialFile(in: unpacked, release: release) { throw FileError(impostor) }
            guard rename(unpacked, target) == 0 else { throw FileError("cannot create \(target): \(systemReason())") }
        }
    }
}
