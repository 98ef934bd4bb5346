// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Files
import Foundation
import Training

/// What an experiment is about: each subject has cells, protocols and tables of its own.
public enum Subject: CaseIterable, Sendable {
    /// CIFAR-10, and Fashion-MNIST in its place.
    case smallImages
    /// ImageNet, and some of its classes in its place.
    case imageNet
    case mnist

    public init(_ dataset: DatasetID) {
        switch dataset.known {
        case .imageNet: self = .imageNet
        case .mnist: self = .mnist
        case .cifar10, .fashionMNIST, nil: self = .smallImages
        }
    }

    /// Names of the layouts of tables and figures. A name that two subjects have is one table, with a section for each.
    public var tables: [String] {
        switch self {
        case .smallImages: ["table1", "table1-authors-code", "table2", "figure1", "figure2", "table4", "figure6", "table5", "figure8"]
        case .imageNet: ["table3", "figure4"]
        case .mnist: ["table4"]
        }
    }
}

/// A folder like `Experiments/`: recipes, cells, protocols, and the layouts of tables and figures.
public struct ExperimentFolder: Sendable {
    public let path: String

    public init(_ path: String) { self.path = path }

    public func folder(of subject: Subject) -> String {
        switch subject {
        case .smallImages: path
        case .imageNet: "\(path)/imagenet"
        case .mnist: "\(path)/mnist"
        }
    }

    public func cells(_ subject: Subject, _ runProtocol: RunProtocol) throws -> ExperimentCells {
        try expectFolder()
        return try ExperimentCells(runProtocol, folder: folder(of: subject))
    }

    private func expectFolder() throws {
        guard FileManager.default.fileExists(atPath: path) else {
            throw FileError("there is no folder \(path) here; run from the package's folder, or name it with --experiments")
        }
    }

    public func table(_ name: String, _ subject: Subject) throws -> ExperimentTable {
        try ExperimentTable(name, folder: folder(of: subject))
    }
    public func tables(_ subject: Subject) throws -> [ExperimentTable] { try subject.tables.map { try table($0, subject) } }

    /// The settings that the subject's tables show: runs keep them.
    public func shownSettings(_ subject: Subject) throws -> [Recipe.Key] {
        let columns = try Set(tables(subject).flatMap(\.columns))
        return Condition.showable.filter { columns.contains(.setting($0)) }
    }

    public func reported() throws -> ReportedValues { try ReportedValues(contentsOf: "\(path)/reported.csv") }
    public func regressionPlan() throws -> RegressionPlan {
        try expectFolder()
        return try RegressionPlan(folder: path)
    }
    public func baseRecipes() throws -> [BaseRecipe] { try Subject.allCases.flatMap { try BaseRecipe.all(in: folder(of: $0)) } }
}
