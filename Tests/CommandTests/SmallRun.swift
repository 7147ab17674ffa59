import Files
import Foundation
import TensorCore
import TestSupport
import Testing

/// A small dataset and a small model, for tests of whole runs.
struct SmallRun {
  let folder: TemporaryFolder

  /// Writes a dataset with 21 training dialogues: 6 steps of 4 an epoch, the last with one.
  ///
  /// - Parameter model: the section `model` of the run file.
  init(model: String = "{width: 24, alignmentWidth: 20, contextHidden: 16}") throws {
    folder = try TemporaryFolder()
    let made = try Program("data", "synthesize", "--output", folder.path("data"), "--scale", "0.02")
    try #require(made.status == 0, "\(made.errors)")
    try FileSystem.write(
      """
      model: \(model)
      optimizer: {warmupSteps: 5}
      train: {epochs: 3, dialoguesPerBatch: 4}
      checkpoint: {everySteps: 4, keepLast: 100}
      """, to: configuration)
  }

  var configuration: String { folder.path("small.yaml") }
  var data: String { folder.path("data") }

  /// Runs `train` with a run folder of the given name.
  func train(
    _ output: String, _ arguments: [String] = [], ranks: Int? = nil,
    environment: [String: String] = [:]
  ) throws -> Program {
    try Program(
      [
        "train", "--config", configuration, "--data", data, "--output", folder.path(output),
        "--log-samples",
      ] + arguments, ranks: ranks, environment: environment)
  }

  /// The rows of a run's metrics without their time fields.
  func metrics(_ output: String) throws -> [String] {
    let text = String(
      decoding: try FileSystem.readAll(folder.path("\(output)/metrics.jsonl")), as: UTF8.self)
    return try text.split(separator: "\n").map { line in
      let row = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      let kept = (row ?? [:]).filter {
        !$0.key.hasPrefix("time_") && !$0.key.hasSuffix("_per_second")
      }
      let bytes = try JSONSerialization.data(withJSONObject: kept, options: .sortedKeys)
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  /// Expects that no temporary files are left in a run folder.
  func expectNoTemporaryFiles(
    _ output: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path(output))
    let temporary = names.filter { $0.hasSuffix(".tmp") }
    #expect(temporary.isEmpty, "\(temporary)", sourceLocation: sourceLocation)
  }

  func text(_ path: String) throws -> String {
    String(decoding: try FileSystem.readAll(folder.path(path)), as: UTF8.self)
  }
}
