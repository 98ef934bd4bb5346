// SPDX-License-Identifier: GPL-3.0-or-later

/// Coarse derivatives of the quantized ReLU in its resolution α (METHOD.md part 1), and two more. With K = 2^b − 1 each is K above Kα,
/// 0 for x ≤ 0, and in between:
package enum StepSizeRule: String, CaseIterable, Sendable {
    /// 2^(b−1).
    case threeValued = "three-valued"
    /// The code ceil(x/α): the exact derivative almost everywhere.
    case almostEverywhere = "almost-everywhere"
    /// 0 (PACT).
    case twoValued = "two-valued"
    /// 1.
    case minimum
    /// ½.
    case half
    /// ceil(x/α) − x/α (LSQ, Esser et al. ICLR 2020).
    case learnedStep = "LSQ"
}
