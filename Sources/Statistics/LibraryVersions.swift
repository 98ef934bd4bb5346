// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import COpenBLAS

/// The numerical libraries that a program runs on.
public enum LibraryVersions {
    /// Of the GNU Scientific Library, such as `2.7.1`.
    public static var gsl: String { String(cString: cgsl_version()) }

    /// Of OpenBLAS, with the kernels that it chose, such as `0.3.21, Zen`.
    public static var openBLAS: String {
        let words = String(cString: openblas_get_config()).split(separator: " ").map(String.init)
        let version = words.first { $0.first?.isNumber == true } ?? "unknown"
        guard let limit = words.firstIndex(where: { $0.hasPrefix("MAX_THREADS") }), limit > 0 else { return version }
        return "\(version), kernels \(words[limit - 1])"
    }
}
