import Files
import Foundation
import TensorCore

/// A configuration merged from defaults, a file and the command line, with the origin of each value.
package struct ResolvedConfiguration: Sendable {
  /// The merged values; `data.path` is absolute.
  package private(set) var configuration: RunConfiguration

  /// The name of the run: the file's name without its extension, or `synthetic` without a file.
  package let name: String

  private let origins: [String: ConfigurationOrigin]

  /// Reads a file and applies the command line to it.
  ///
  /// The order of precedence, lowest first, is defaults, file, `--set` from left to right; `--data`
  /// sets `data.path`.
  /// - Parameters:
  ///   - file: The YAML file, or nil for the defaults.
  ///   - overrides: The `--set` arguments.
  ///   - data: The dataset folder of `--data`, if given.
  /// - Throws: `FileError` if the file cannot be read, `ConfigurationError` if it is invalid.
  package init(
    file: String? = nil, overrides: [ConfigurationOverride] = [], data: String? = nil
  ) throws {
    var assignments: [ConfigurationAssignment] = []
    if let file {
      assignments += try ConfigurationReader.assignments(
        inDocument: try Self.text(of: file), path: file)
    }
    for override in overrides {
      assignments.append(try ConfigurationReader.assignment(of: override))
    }
    try self.init(assignments, data: data, file: file)
  }

  private static func text(of file: String) throws -> String {
    let bytes: [UInt8]
    do { bytes = try FileSystem.readAll(file, limit: YAMLLimits.largestByteCount) } catch {
      guard error.code == EFBIG else { throw error }
      throw ConfigurationError(
        place: file, key: nil,
        reason: "the file is larger than \(YAMLLimits.largestByteCount) bytes",
        cure: "Name a configuration file.")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ConfigurationError(
        place: file, key: nil, reason: "the file is not UTF-8 text", cure: "Save it as UTF-8.")
    }
    return text
  }

  private init(
    _ assignments: [ConfigurationAssignment], data: String?, file: String?
  ) throws(ConfigurationError) {
    var configuration = RunConfiguration()
    var origins: [String: ConfigurationOrigin] = [:]
    try ConfigurationReader.apply(assignments, to: &configuration)
    for assignment in assignments { origins[assignment.key] = assignment.origin }
    if let data {
      guard origins["data.path"] != .override else {
        throw ConfigurationError(
          place: "--data", key: "data.path", reason: "--set gives the same key another value",
          cure: "Use one of the two.")
      }
      configuration.data.path = data
      origins["data.path"] = .flag("--data")
    }
    self.origins = origins
    let origin = origins["data.path"] ?? .standard
    configuration.data.path = configuration.data.path.map { Self.absolute($0, from: origin) }
    self.configuration = configuration
    name = file.map(Self.name(ofFile:)) ?? "synthetic"
  }

  /// The file's name without extension and leading dots, for use as the name of a folder.
  private static func name(ofFile file: String) -> String {
    let stem = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
    let name = stem.drop { $0 == "." || $0 == "/" }
    return name.isEmpty ? "unnamed" : String(name)
  }

  /// The origin of the value of a key.
  ///
  /// - Parameter key: A dotted name; an unknown one has the origin `standard`.
  package func origin(of key: String) -> ConfigurationOrigin {
    origins[key] ?? .standard
  }

  /// Resolves a path against the folder of the file that names it, or the working directory.
  private static func absolute(_ path: String, from origin: ConfigurationOrigin) -> String {
    guard !path.hasPrefix("/") else { return path }
    let working = FileManager.default.currentDirectoryPath
    guard case .file(let file, _) = origin else { return "\(working)/\(path)" }
    let folder = (file as NSString).deletingLastPathComponent
    return switch folder {
    case "": "\(working)/\(path)"
    case _ where folder.hasPrefix("/"): "\(folder)/\(path)"
    default: "\(working)/\(folder)/\(path)"
    }
  }
}

// MARK: - Resuming

extension ResolvedConfiguration {
  /// Checks that resuming from a checkpoint gives the result of an uninterrupted run.
  ///
  /// Keys given by `--set` are exempt: they are deliberate changes.
  /// - Parameters:
  ///   - other: The configuration of the checkpoint.
  ///   - path: The path of the checkpoint, for the message.
  /// - Throws: `ConfigurationError` naming the first key that differs.
  package func requireSameResult(
    as other: RunConfiguration, ofCheckpoint path: String
  ) throws(ConfigurationError) {
    let differing = configuration.differences(from: other).filter { origin(of: $0) != .override }
    guard let first = configuration.keys.first(where: { differing.contains($0.name) }) else {
      return
    }
    let others = differing.dropFirst()
    let rest =
      others.isEmpty
      ? "" : " (\(others.joined(separator: ", ")) \(others.count == 1 ? "differs" : "differ") too)"
    let value = first.yaml(configuration)
    throw ConfigurationError(
      place: origin(of: first.name).description, key: first.name,
      reason: "\(value) is not what \(path) was trained with, \(first.yaml(other))\(rest)",
      cure:
        "Use the run's config.yaml, or say --set \(first.name)=\(value) to change it on purpose."
    )
  }
}

// MARK: - Derived configurations

extension ResolvedConfiguration {
  /// This configuration with the modalities of the dataset.
  package func using(_ modalities: [Modality]) -> ResolvedConfiguration {
    var copy = self
    copy.configuration.data.modalities = modalities
    return copy
  }

  /// This configuration limited to a single step.
  package func shortened() -> ResolvedConfiguration {
    var copy = self
    copy.configuration.train.maxSteps = 1
    return copy
  }
}
