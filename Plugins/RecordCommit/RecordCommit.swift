// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import PackagePlugin

/// Compiles the commit that the sources are at into a program: what a row says of its program must not depend on the folder that it
/// ran in, nor on commits made meanwhile.
///
/// A command of the build with all that it depends on, and no prebuild command: those run when a build is planned, which SwiftPM leaves
/// out while the package's folders and manifest stay as they are, so that the commit of an earlier build remained.
@main struct RecordCommit: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) -> [Command] {
        let package = context.package.directoryURL, output = context.pluginWorkDirectoryURL.appending(path: "Commit")
        let compiler = (try? context.tool(named: "swiftc").url.path) ?? "swiftc"
        let script = package.appending(path: "Plugins/RecordCommit/commit.sh")
        let sources = ["Sources", "Plugins"].flatMap { files(below: package.appending(path: $0)) }
        return [
            .buildCommand(
                displayName: "Recording the commit", executable: script, arguments: [package.path, output.path, compiler],
                inputFiles: sources + [package.appending(path: "Package.swift")] + marks(ofGitIn: package),
                outputFiles: [output.appending(path: "Commit.swift")])
        ]
    }

    private func files(below folder: URL) -> [URL] {
        let found = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: [.isRegularFileKey])
        let urls = (found?.allObjects ?? []).compactMap { $0 as? URL }
        return urls.filter { (try? $0.resourceValues(forKeys: [.isRegularFileKey]))?.isRegularFile == true }.sorted { $0.path < $1.path }
    }

    /// Files that git writes with each commit and checkout. Of a worktree `.git` is a file that names git's folder.
    private func marks(ofGitIn package: URL) -> [URL] {
        var git = package.appending(path: ".git")
        if let text = try? String(contentsOf: git, encoding: .utf8), text.hasPrefix("gitdir: ") {
            git = URL(fileURLWithPath: String(text.dropFirst(8)).trimmingCharacters(in: .whitespacesAndNewlines), relativeTo: package)
        }
        return ["HEAD", "logs/HEAD", "index"].map { git.appending(path: $0) }.filter { FileManager.default.fileExists(atPath: $0.path) }
    }
}
