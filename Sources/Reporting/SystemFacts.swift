// SPDX-License-Identifier: GPL-3.0-or-later
import Files
import Foundation

/// What a result says about the code and the machine that made it.
public enum SystemFacts {
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
