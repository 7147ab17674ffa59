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

    room("TensorCore", ["COpenBLAS"]),
    room("Autograd", ["TensorCore"]),
    room("NeuralNet", ["Autograd"]),
    room("Optimizing", ["TensorCore"]),
    room("DialogueData", ["TensorCore"]),
    room("DFERCModel", ["NeuralNet"]),
    room("MPIKit", ["CMPI"]),
    room("DataParallel", ["TensorCore", "MPIKit"]),
    room(
      "Checkpointing",
      ["TensorCore", "CZstd", .product(name: "Crypto", package: "swift-crypto")]),
    room(
      "Training",
      [
        "TensorCore", "Autograd", "NeuralNet", "Optimizing", "DialogueData", "DFERCModel",
        "MPIKit", "DataParallel", "Checkpointing", "Yams",
        .product(name: "Logging", package: "swift-log"),
      ]),
    .executableTarget(
      name: "dferc-dist",
      dependencies: [
        "Training", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),

    .target(
      name: "TestSupport", dependencies: ["Autograd", "TensorCore"], path: "Tests/TestSupport",
      swiftSettings: settings),
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    tests(of: "TensorCore"),
    tests(of: "Autograd", using: ["TensorCore"]),
    tests(of: "NeuralNet", using: ["Autograd", "TensorCore"], exclude: ["Fixtures"]),
    tests(of: "Optimizing", using: ["TensorCore"], exclude: ["Fixtures"]),
    tests(of: "DialogueData", using: ["TensorCore"]),
    tests(
      of: "DFERCModel",
      using: ["Autograd", "NeuralNet", "Optimizing", "TensorCore", "AllocationCounter"],
      exclude: ["Fixtures"]),
    tests(of: "MPIKit"),
    tests(of: "DataParallel", using: ["MPIKit"]),
    tests(of: "Checkpointing", using: ["TensorCore"]),
    tests(
      of: "Training",
      using: [
        "Checkpointing", "DataParallel", "DFERCModel", "DialogueData", "NeuralNet", "Optimizing",
        "TensorCore", .product(name: "Logging", package: "swift-log"),
      ], exclude: ["Fixtures"]),
    .testTarget(
      name: "HostileFileTests",
      dependencies: [
        "Training", "Checkpointing", "DFERCModel", "DialogueData", "NeuralNet", "Optimizing",
        "TensorCore", "TestSupport", "AllocationCounter",
        .product(name: "Crypto", package: "swift-crypto"),
      ], swiftSettings: settings),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "dferc-dist", "Training", "Checkpointing", "DataParallel", "DialogueData", "TensorCore",
        "TestSupport", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], exclude: ["Snapshots"], swiftSettings: settings),
  ]
)
