// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL

/// A statistical computation that could not be done; the message says why and what to do.
public struct StatisticsError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// Turns a GSL status code into an error.
func checkGSL(_ status: Int32, doing action: String) throws {
    guard status == 0 else { throw StatisticsError("\(action) failed: \(String(cString: gsl_strerror(status)))") }
}
