// SPDX-License-Identifier: GPL-3.0-or-later
import Backends
import Files
import Foundation
import Training

/// All that a row's recipe digest stands for, whatever the seed. Kept beside the rows (`recipes/DIGEST.json`), it tells
/// which setting another digest differs in.
public struct RunSettings: Codable, Equatable, Sendable {
    let recipe: Recipe
    /// Of the run that the run starts from, mostly a float one.
    let floatRun: Recipe?
    /// Of the runs before that one, the last first; `nil` for none.
    let earlierRuns: [Recipe]?
    /// That run's precision.
    let startingIn: Precision
    /// Stands for the file that the first weights came in; empty where they were drawn.
    let pretrained: String

    enum CodingKeys: String, CodingKey {
        case recipe
        case floatRun = "float_run"
        case earlierRuns = "earlier_runs"
        case startingIn = "starting_in"
        case pretrained
    }

    /// Eight hexadecimal digits.
    public var digest: String {
        Recipe.digest([recipe] + (floatRun.map { [$0] } ?? []) + (earlierRuns ?? []), startingIn: startingIn, pretrained: pretrained)
    }

    /// JSON.
    public var text: String { canonicalJSON(self) + "\n" }

    /// From what `text` gave.
    /// - Throws: `FileError` when the file cannot be read or holds other settings than its name, `DIGEST.json`, says.
    public init(contentsOf path: String) throws {
        guard let settings = try? JSONDecoder().decode(RunSettings.self, from: try readFile(path, most: 1 << 20)),
            settings.digest == ((path as NSString).lastPathComponent as NSString).deletingPathExtension
        else { throw FileError("\(path) does not hold the recipe that it is named after") }
        self = settings
    }

    /// - Parameter before: the recipes of the runs before, the one that the run starts from first.
    package init(recipe: Recipe, before: [Recipe], startingIn precision: Precision, pretrained: String) {
        (self.recipe, floatRun, startingIn, self.pretrained) = (recipe, before.first, precision, pretrained)
        earlierRuns = before.count > 1 ? Array(before.dropFirst()) : nil
    }

    /// Where other settings differ, as `KEY: theirs, now ours`.
    public func changes(from other: RunSettings) -> [String] {
        let earlier = max(earlierRuns?.count ?? 0, other.earlierRuns?.count ?? 0)
        func settings(_ run: RunSettings) -> [(key: String, value: String)] {
            let keys = Recipe.Key.allCases.map { (key: $0.rawValue, standard: $0.about.standard ?? "none") }
            func texts(_ recipe: Recipe?, _ suffix: String) -> [(key: String, value: String)] {
                guard let texts = recipe?.texts else { return keys.map { ($0.key + suffix, "no such run") } }
                return keys.map { ($0.key + suffix, texts[$0.key] ?? $0.standard) }
            }
            return texts(run.recipe, "") + texts(run.floatRun, " of the float run")
                + (0..<earlier).flatMap { texts(run.earlierRuns?.dropFirst($0).first, " of an earlier run") }
                + [
                    ("precision of the float run", run.startingIn.rawValue),
                    ("first weights", run.pretrained.isEmpty ? "drawn" : run.pretrained)
                ]
        }
        return zip(settings(other), settings(self)).filter { $0.value != $1.value }
            .map { "\($0.key): \($0.value), now \($1.value)" }
    }
}
