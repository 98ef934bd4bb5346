// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// What a result says about the code and the machine that made it.
public enum SystemFacts {
    /// The short hash of the checkout that holds `folder`, with `-dirty` when its files differ from it or are unknown to it
    /// (`results` and `Paper`, which runs write, aside); `unknown` outside a checkout or without git.
    public static func commit(inFolder folder: String) -> String {
        func git(_ arguments: [String]) -> String? {
            let run = try? runTool("git", ["-C", folder] + arguments, package: "git", outlivesInterrupt: true)
            return run?.status == 0 ? run?.output : nil
        }
        guard let head = git(["rev-parse", "--short", "HEAD"]),
            let changes = git(["status", "--porcelain", "--", ":(top,exclude)results", ":(top,exclude)Paper"])
        else { return "unknown" }
        return head.trimmingCharacters(in: .whitespacesAndNewlines) + (changes.isEmpty ? "" : "-dirty")
    }

    /// The most memory that this process has held, in 10⁶ bytes.
    public static var peakMegabytes: Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_maxrss) * 1024 / 1e6
    }

    /// The processor's name as Linux gives it, or `unknown` (arm64 kernels do not say).
    public static func processor(cpuinfo path: String = "/proc/cpuinfo") -> String {
        guard let bytes = FileManager.default.contents(atPath: path) else { return "unknown" }
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("model name") }
        guard let line, let colon = line.firstIndex(of: ":") else { return "unknown" }
        return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
}
