// swift-tools-version: 6.1
// SPDX-License-Identifier: GPL-3.0-or-later
import PackageDescription

// Layers point one way: each target imports only those listed above it.
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "bcgd",
    products: [
        .executable(name: "reproduce", targets: ["reproduce"]),
        .executable(name: "verify-theory", targets: ["verify-theory"]),
        .executable(name: "benchmark-step", targets: ["benchmark-step"]),
        .library(name: "BCGDRuntime", targets: ["BCGDRuntime"]),
        .library(name: "bcgd", type: .static, targets: ["BCGDInterface"]),  // libbcgd: Documentation/Python.md
        .library(
            name: "BCGD",
            targets: [
                "Statistics", "Quantization", "Theory", "Compute", "Backends", "Graph", "Datasets", "Training", "Export", "Reporting",
                "Experiments", "Files", "Parallelism", "Collectives"
            ])
    ],
    traits: [.trait(name: "MPI", description: "Trains and samples on several machines, over MPI (Documentation/Cluster.md).")],
    // Exact versions, as Package.resolved is not committed.
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
        // A command: whoever depends on this package does not fetch it.
        .package(url: "https://github.com/swiftlang/swift-docc-plugin", exact: "1.5.0")
    ],
    targets: [
        // MARK: C libraries: a module map and a shim header each
        .systemLibrary(name: "CGSL", providers: [.apt(["libgsl-dev"])]),
        .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-openmp-dev"])]),
        .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CRandom123", providers: [.apt(["librandom123-dev"])]),
        .systemLibrary(name: "CBCGD"),  // bcgd.h, which BCGDInterface implements

        // Only with the trait; its compiler flags are those of pkg-config, and BCGD_MPI=mpich chooses the other one.
        .systemLibrary(name: "CMPI", pkgConfig: Context.environment["BCGD_MPI"] ?? "ompi-c", providers: [.apt(["libopenmpi-dev"])]),

        // MARK: Own C kernels; they run on oneDNN's OpenMP threads (libgomp), never on a second pool
        .target(name: "CAllocations"),
        .target(name: "CPlanted"),
        .target(name: "CKernels", cSettings: [.headerSearchPath(".")], linkerSettings: [.linkedLibrary("gomp"), .linkedLibrary("m")]),
        .target(name: "CMonteCarlo", dependencies: ["CKernels"]),
        .target(name: "CPeaks", dependencies: ["CKernels"], cSettings: [.headerSearchPath("../CKernels")]),

        // MARK: libpng behind a plain function, as its errors are long jumps
        .target(name: "CJPEG", linkerSettings: [.linkedLibrary("jpeg")]),
        .target(name: "CPNG", linkerSettings: [.linkedLibrary("png16")]),

        // MARK: Swift
        .plugin(name: "RecordCommit", capability: .buildTool()),
        .target(name: "BuildFacts", plugins: ["RecordCommit"]),
        .target(name: "Files", dependencies: ["CZlib"]),
        .target(name: "Parallelism", dependencies: ["CKernels", "Files"]),
        .target(name: "Collectives", dependencies: ["Files", .target(name: "CMPI", condition: .when(traits: ["MPI"]))]),
        .target(name: "BCGDRuntime", dependencies: ["CKernels", "Files", "Parallelism"]),
        .target(name: "BCGDInterface", dependencies: ["CBCGD", "BCGDRuntime"]),
        .target(name: "Statistics", dependencies: ["CGSL", "COpenBLAS", "CRandom123"]),
        .target(name: "Quantization", dependencies: ["CKernels"]),
        .target(name: "Theory", dependencies: ["CKernels", "CMonteCarlo", "Collectives", "Statistics", "Quantization"]),
        .target(name: "Graph", dependencies: ["Quantization"]),
        .target(name: "Compute", dependencies: ["COneDNN", "COpenBLAS", "CKernels", "Graph", "Files", "Parallelism"]),
        .target(
            name: "Backends", dependencies: ["CKernels", "Collectives", "Compute", "Graph", "Parallelism", "Quantization", "Statistics"]),
        .target(name: "Datasets", dependencies: ["CZlib", "CJPEG", "CPNG", "CKernels", "Files", "Statistics"]),
        .target(name: "RasterImages", dependencies: ["Datasets", "Files"]),
        .target(
            name: "Training",
            dependencies: ["Backends", "CKernels", "Collectives", "Compute", "Graph", "Quantization", "Datasets", "Files"]),
        .target(name: "Export", dependencies: ["BCGDRuntime", "Training", "Datasets", "Backends", "Graph", "Compute"]),
        .target(name: "Reporting", dependencies: ["Files"], resources: [.embedInCode("Page/page.css"), .embedInCode("Page/page.js")]),
        .target(
            name: "Experiments",
            dependencies: [
                "Reporting", "Training", "Datasets", "Backends", "Graph", "Quantization", "Collectives", "Compute", "Statistics",
                "Parallelism", "Files",
                .product(name: "Yams", package: "Yams")
            ]),
        .target(
            name: "TensorBoard", dependencies: ["Files", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["event.proto"]),
        .executableTarget(
            name: "reproduce",
            dependencies: [
                "BuildFacts", "Parallelism", "Collectives", "BCGDRuntime", "RasterImages", "Export", "Experiments", "TensorBoard",
                "Training", "Datasets",
                "Backends", "Compute", "Statistics", "Files", argumentParser
            ]),
        .executableTarget(
            name: "verify-theory",
            dependencies: ["BuildFacts", "Parallelism", "Collectives", "Theory", "Statistics", "Reporting", "Files", argumentParser]),
        .executableTarget(
            name: "benchmark-step",
            dependencies: [
                "BuildFacts", "CAllocations", "CPeaks", "Parallelism", "Collectives", "BCGDRuntime", "Export", "Experiments", "Training",
                "Backends", "Graph", "Compute",
                "Quantization", "Datasets", "Statistics", "Reporting", "Files", argumentParser
            ]),

        // MARK: Fuzzing (Documentation/Sanitizers.md)
        .target(name: "RandomModels", dependencies: ["BCGDRuntime", "Statistics"], path: "Tests/RandomModels"),
        .executableTarget(
            name: "fuzz-readers",
            dependencies: [
                "CAllocations", "CPlanted", "CZlib", "RandomModels", "RasterImages", "BCGDRuntime", "Export", "Experiments", "Training",
                "Datasets", "Backends", "Graph", "Quantization",
                "Compute", "Statistics", "Reporting", "Files", argumentParser
            ],
            path: "Experiments/fuzz"),

        // MARK: Tests, and what several of them share
        .target(name: "TestSupport", dependencies: ["Collectives"], path: "Tests/TestSupport"),
        .target(name: "TrainingTestSupport", dependencies: ["Training", "Datasets", "Statistics"], path: "Tests/TrainingTestSupport"),
        .testTarget(name: "BuildFactsTests", dependencies: ["TestSupport"]),
        .testTarget(name: "FilesTests", dependencies: ["Files", "TestSupport"]),
        .testTarget(name: "ParallelismTests", dependencies: ["Parallelism", "CKernels", "TestSupport"]),
        .testTarget(name: "BCGDRuntimeTests", dependencies: ["BCGDRuntime", "Files", "RandomModels", "Statistics", "TestSupport"]),
        .testTarget(
            name: "InterfaceTests", dependencies: ["BCGDInterface", "CBCGD", "BCGDRuntime", "CAllocations", "RandomModels", "TestSupport"]),
        .testTarget(
            name: "RasterImagesTests", dependencies: ["RasterImages", "Datasets", "Files", "TestSupport"], exclude: ["png_vectors.py"],
            resources: [.copy("Vectors")]),
        .testTarget(name: "StatisticsTests", dependencies: ["Statistics"]),
        .testTarget(
            name: "QuantizationTests", dependencies: ["Quantization", "Parallelism", "Statistics"],
            exclude: ["pytorch_reference.py", "pytorch_comparison.py"]),
        .testTarget(name: "TheoryTests", dependencies: ["Theory", "Parallelism", "Statistics", "TestSupport"]),
        .testTarget(
            name: "ComputeTests",
            dependencies: ["CAllocations", "Compute", "Graph", "CKernels", "Parallelism", "Statistics", "Files", "TestSupport"]),
        .testTarget(
            name: "BackendsTests",
            dependencies: ["CAllocations", "Backends", "Compute", "Graph", "Quantization", "Statistics", "Training", "TestSupport"],
            exclude: ["pytorch"], resources: [.copy("Vectors")]),
        .testTarget(
            name: "DatasetsTests", dependencies: ["Datasets", "Files", "Parallelism", "Statistics", "TestSupport"],
            exclude: ["pillow_vectors.py"],
            resources: [.copy("Vectors")]),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Training", "Backends", "Collectives", "Compute", "Datasets", "Files", "Graph", "Parallelism", "Quantization", "Statistics",
                "TestSupport", "TrainingTestSupport"
            ], exclude: ["pytorch_settings.py"]),
        .testTarget(name: "GraphTests", dependencies: ["Graph", "Quantization"]),
        .testTarget(
            name: "ExportTests",
            dependencies: [
                "Export", "BCGDRuntime", "Parallelism", "Experiments", "Training", "Datasets", "Backends", "Graph", "Compute",
                "Quantization", "Statistics",
                "RandomModels", "TestSupport", "TrainingTestSupport"
            ]),
        .testTarget(name: "TensorBoardTests", dependencies: ["TensorBoard", "Files", "TestSupport"]),
        .testTarget(name: "ReportingTests", dependencies: ["Reporting", "TestSupport"]),
        .testTarget(
            name: "ExperimentsTests",
            dependencies: [
                "Experiments", "Reporting", "Training", "Datasets", "Backends", "Graph", "Compute", "Quantization", "Statistics",
                "TestSupport", "TrainingTestSupport"
            ],
            resources: [.copy("Vectors")]),
        .testTarget(
            name: "ReproduceTests",
            dependencies: ["reproduce", "benchmark-step", "BCGDRuntime", "Compute", "Datasets", "Backends", "Graph", "Training"]),
        .testTarget(
            name: "GuideTests",
            dependencies: [
                "BCGDRuntime", "Export", "Experiments", "Training", "Quantization", "Backends", "Graph", "Datasets", "Compute",
                "Statistics", "Files", "TestSupport", "TrainingTestSupport"
            ]),
        .testTarget(name: "BenchmarkTests", dependencies: ["CAllocations", "TestSupport", "benchmark-step"])
    ],
    swiftLanguageModes: [.v6]
)

// What .ci/sanitize does not run need not be built a second time.
if Context.environment["BCGD_SANITIZE"] != nil {
    let unused: Set = [
        "reproduce", "verify-theory", "benchmark-step", "TensorBoard", "TensorBoardTests", "ReproduceTests", "BenchmarkTests", "GuideTests"
    ]
    package.targets.removeAll { unused.contains($0.name) }
    package.products.removeAll { unused.contains($0.name) }
}
