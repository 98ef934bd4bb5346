// SPDX-License-Identifier: GPL-3.0-or-later

/// A quantizer that cannot exist; the message says what was found and what is allowed.
public enum QuantizationError: Error, CustomStringConvertible, Equatable {
    /// `what` names the quantity, such as "activation bits" or "weight bits".
    case bits(Int, of: String, allowed: ClosedRange<Int>)
    case iterations(Int)

    public var description: String {
        switch self {
        case .bits(let found, let what, let allowed):
            "\(what) must be \(allowed.lowerBound) to \(allowed.upperBound), found \(found); "
                + "for 32 bits leave the quantizer out"
        case .iterations(let found):
            "the number of Lloyd iterations must be 1 or more, found \(found)"
        }
    }
}
