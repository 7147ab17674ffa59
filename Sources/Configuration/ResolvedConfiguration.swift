import Files
import Foundation
import TensorCore

/// A configuration put together from defaults, a file and the command line, with the place that
/// each value came from.
package struct ResolvedConfiguration: Sendable {
  /// The merged values; `data.path` is absolute.
  package private(set) var configuration: RunConfiguration

  /// The name of the run: the file's name without its extension, or `synthetic` without a file.
  package let name: String

  private let origins: [String: ConfigurationOrigin]

  /// Reads a file and lays the command line over it.
  ///
  /// The order is default, file, `--set` from left to right; `--data` stands for `data.path`.
  /// - Parameters:
  ///   - file: The YAML file, or nil for the defaults.
  ///   - overrides: The `--set` arguments of this call.
  ///   - data: The dataset folder of `--data`, if given.
  /// - Throws: `FileError` if the file cannot be read, `ConfigurationError` if it cannot be used.
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

  /// The file's name without its extension and without dots in front: it becomes that of a folder.
  private static func name(ofFile file: String) -> String {
    let stem = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
    let name = stem.drop { $0 == "." || $0 == "/" }
    return name.isEmpty ? "unnamed" : String(name)
  }

  /// The place that a key's value came from.
  ///
  /// - Parameter key: A dotted name; a name that no key has counts as a default.
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
  /// Checks that going on from a checkpoint gives what its own run would have given.
  ///
  /// Keys given by `--set` on this call are exempt: they are a decision, not an accident.
  /// - Parameters:
  ///   - other: The configuration that the checkpoint holds.
  ///   - path: The checkpoint, for the message.
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

// MARK: - What is known later

extension ResolvedConfiguration {
  /// The same run with the modalities that the dataset turned out to have.
  package func using(_ modalities: [Modality]) -> ResolvedConfiguration {
    var copy = self
    copy.configuration.data.modalities = modalities
    return copy
  }

  /// The same run cut down to a single step.
  package func shortened() -> ResolvedConfiguration {
    var copy = self
    copy.configuration.train.maxSteps = 1
    return copy
  }
}
