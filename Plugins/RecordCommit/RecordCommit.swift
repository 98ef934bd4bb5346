// SPDX-License-Identifier: GPL-3.0-or-later
import PackagePlugin

/// Compiles the commit that the sources are at into a program, at each build: what a row says of its program must not depend on
/// the folder that it ran in, nor on commits made meanwhile.
@main struct RecordCommit: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) -> [Command] {
        let package = context.package.directoryURL, output = context.pluginWorkDirectoryURL.appending(path: "Commit")
        let compiler = (try? context.tool(named: "swiftc").url.path) ?? "swiftc"
        return [
            .prebuildCommand(
                displayName: "Recording the commit", executable: package.appending(path: "Plugins/RecordCommit/commit.sh"),
                arguments: [package.path, output.path, compiler], outputFilesDirectory: output)
        ]
    }
}
