// SPDX-License-Identifier: GPL-3.0-or-later

/// The suite's quantizers that files of graphs tell by their `name` alone; others there are described by their settings.
public enum NamedQuantizers {
    public static func activation(_ name: String) -> (any ActivationQuantizer)? {
        for bits in 1...8 {
            let known: [(any ActivationQuantizer)?] = [try? LSQ(bits: bits), try? PACT(bits: bits), try? DoReFa(bits: bits)]
            if let found = known.compactMap(\.self).first(where: { $0.name == name }) { return found }
        }
        return nil
    }

    public static func weights(_ name: String) -> (any WeightQuantizer)? {
        let alone: [any WeightQuantizer] = [BinaryProjection(), TernaryProjection(), AuthorsTernaryProjection()]
        if let found = alone.first(where: { $0.name == name }) { return found }
        // Of Lloyd's projection the name ends in its iterations where these are not as many as it takes.
        let iterations = name.split(separator: "-").last.flatMap { Int($0) } ?? LloydProjection.manyIterations
        for bits in 2...8 {
            let known: [(any WeightQuantizer)?] = [
                try? LSQWeights(bits: bits), try? DoReFaWeights(bits: bits), try? ExactProjection(bits: bits),
                try? LloydProjection(bits: bits), try? LloydProjection(bits: bits, maximumIterations: iterations)
            ]
            if let found = known.compactMap(\.self).first(where: { $0.name == name }) { return found }
        }
        return nil
    }
}
