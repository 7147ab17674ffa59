// swift-tools-version: 6.1

import Foundation
import PackageDescription

// The processor the kernels are compiled for. By default AVX2 with fused multiply-add, which every
// x86-64 server since 2013 has. `DFERC_PORTABLE=1 swift build` compiles for plain x86-64 or arm64
// with a separate multiply and add instead; its results are as exact, but their last bits differ.
// Every target must carry the same flags, or a kernel inlined into another target would change.
//
// `-fno-math-errno`: a square root that need not set `errno` is one instruction for a whole vector
// instead of a call for each lane.
let isPortable = ProcessInfo.processInfo.environment["DFERC_PORTABLE"] == "1"
let processorFlags: [SwiftSetting] =
  (isPortable
    ? [.define("DFERC_PORTABLE")]
    : [.unsafeFlags(["-Xcc", "-mavx2", "-Xcc", "-mfma"])])
  + [.unsafeFlags(["-Xcc", "-fno-math-errno"])]
let settings: [SwiftSetting] =
  processorFlags + [
    .swiftLanguageMode(.v6),
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
  ]

func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

/// The tests of a room, which may use what the room may import.
func tests(
  of name: String, using dependencies: [Target.Dependency] = [], exclude: [String] = []
) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: [.byName(name: name), "TestSupport"] + dependencies,
    exclude: exclude, swiftSettings: settings)
}

let package = Package(
  name: "dferc-dist",
  products: [.executable(name: "dferc-dist", targets: ["dferc-dist"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .systemLibrary(
      name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev", "openmpi-bin"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

    room("Files", []),
    room("TensorCore", ["COpenBLAS"]),
    room("Autograd", ["TensorCore"]),
    room("NeuralNet", ["Autograd", "TensorCore"]),
    room("Optimizing", ["TensorCore"]),
    room("DialogueData", ["Files", "TensorCore"]),
    room("DFERCModel", ["Autograd", "NeuralNet", "TensorCore"]),
    room("Baselines", ["Autograd", "NeuralNet", "TensorCore"]),
    room("MPIKit", ["CMPI", "Files"]),
    room("DataParallel", ["Files", "MPIKit", "TensorCore"]),
    room("StallDetection", ["DataParallel", "Files", "MPIKit"]),
    room("Checkpointing", ["CZstd", "Files", "TensorCore", crypto]),
    room("Configuration", ["Baselines", "DFERCModel", "Files", "NeuralNet", "TensorCore", "Yams"]),
    room("RunRecords", ["Configuration", "Files", logging]),
    room(
      "JobControl",
      [
        "Checkpointing", "Configuration", "DataParallel", "Files", "MPIKit", "RunRecords",
        "StallDetection", "TensorCore",
      ]),
    room(
      "Training",
      [
        "Autograd", "Checkpointing", "Configuration", "DataParallel", "DialogueData",
        "Files", "JobControl", "NeuralNet", "Optimizing", "RunRecords", "StallDetection",
        "TensorCore",
        logging,
      ]),
    room(
      "Doctor",
      [
        "Configuration", "DataParallel", "DialogueData", "Files", "JobControl", "MPIKit",
        "NeuralNet", "TensorCore", "Training",
      ]),
    .executableTarget(
      name: "dferc-dist",
      dependencies: [
        "Checkpointing", "Configuration", "DataParallel", "DialogueData", "Doctor",
        "Files", "JobControl", "NeuralNet", "RunRecords",
        "StallDetection",
        "TensorCore", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),

    .target(
      name: "TestSupport",
      dependencies: ["Autograd", "DataParallel", "Files", "MPIKit", "TensorCore"],
      path: "Tests/TestSupport", swiftSettings: settings),
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    tests(of: "Files"),
    tests(of: "TensorCore"),
    tests(of: "Autograd", using: ["TensorCore"]),
    tests(of: "NeuralNet", using: ["Autograd", "Files", "TensorCore"], exclude: ["Fixtures"]),
    tests(of: "Optimizing", using: ["Files", "TensorCore"], exclude: ["Fixtures"]),
    tests(of: "DialogueData", using: ["Files", "TensorCore"]),
    tests(
      of: "DFERCModel", using: ["Autograd", "NeuralNet", "TensorCore"], exclude: ["Fixtures"]),
    tests(of: "Baselines", using: ["NeuralNet", "TensorCore"], exclude: ["Fixtures"]),
    tests(of: "MPIKit"),
    tests(of: "DataParallel", using: ["MPIKit", "TensorCore"]),
    tests(of: "StallDetection", using: ["DataParallel", "JobControl", "MPIKit"]),
    tests(of: "Checkpointing", using: ["Files", "TensorCore"]),
    tests(of: "Configuration", using: ["Baselines", "DFERCModel", "Files", "TensorCore"]),
    tests(
      of: "RunRecords", using: ["Configuration", "Files", "JobControl", logging],
      exclude: ["Fixtures"]),
    tests(
      of: "JobControl",
      using: [
        "DataParallel", "Files", "MPIKit", "RunRecords",
        "StallDetection",
      ]),
    tests(
      of: "Training",
      using: [
        "AllocationCounter", "Baselines", "Checkpointing", "Configuration", "DFERCModel",
        "DataParallel", "DialogueData", "Files", "JobControl", "NeuralNet", "Optimizing",
        "RunRecords",
        "TensorCore", logging,
      ]),
    tests(of: "Doctor", using: ["Files", "JobControl"]),
    .testTarget(
      name: "HostileFileTests",
      dependencies: [
        "AllocationCounter", "Checkpointing", "Configuration", "DFERCModel", "DialogueData",
        "Files", "JobControl", "NeuralNet", "Optimizing", "RunRecords", "TensorCore",
        "TestSupport", "Training", "dferc-dist", crypto,
      ], swiftSettings: settings),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "Checkpointing", "Configuration", "DataParallel", "DialogueData", "Files", "JobControl",
        "RunRecords", "StallDetection", "TensorCore", "TestSupport", "Training",
        "dferc-dist", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], exclude: ["Snapshots"], swiftSettings: settings),
  ]
)
