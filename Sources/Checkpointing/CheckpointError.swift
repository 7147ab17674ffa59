import Files
import TensorCore

/// A checkpoint that cannot be read, written or used.
package struct CheckpointError: ExplainedError {
  /// The kind of defect, which determines the exit code and the fallback.
  package enum Kind: Sendable, Equatable {
    /// There is no such file.
    case missing
    /// The file is truncated or its bytes were changed.
    case damaged
    /// The file is a checkpoint of a version that this program does not read.
    case wrongVersion
    /// The file is no checkpoint of this program.
    case foreignFormat
    /// The file is a valid checkpoint, but not of the requested model or run.
    case mismatch
    /// The device, the permissions or the memory do not allow it.
    case storage
  }

  /// The kind of defect, which determines the exit code and the fallback.
  package let kind: Kind

  /// The file.
  package let path: String

  /// Where in the file: `frame`, `header`, `metadata step`, or a tensor's name.
  package let place: String

  package let reason: String
  package let cure: String

  /// Describes what is wrong with a checkpoint.
  ///
  /// - Parameters:
  ///   - kind: the kind of defect.
  ///   - path: the file.
  ///   - place: where in the file.
  ///   - reason: what is wrong.
  ///   - cure: what the user can do about it.
  package init(kind: Kind, path: String, place: String, reason: String, cure: String) {
    self.kind = kind
    self.path = path
    self.place = place
    self.reason = reason
    self.cure = cure
  }

  package var location: String? { "\(path), \(place)" }

  package var exitStatus: ExitStatus {
    switch kind {
    case .missing: .missingInput
    case .storage: .storage
    case .damaged, .wrongVersion, .foreignFormat, .mismatch: .badInput
    }
  }
}

extension CheckpointError {
  static func damaged(_ path: String, _ place: String, _ reason: String) -> CheckpointError {
    CheckpointError(
      kind: .damaged, path: path, place: place, reason: reason,
      cure: "Use an older checkpoint; `checkpoint verify` on the folder tells which are sound.")
  }

  static func foreign(_ path: String, _ place: String, _ reason: String) -> CheckpointError {
    CheckpointError(
      kind: .foreignFormat, path: path, place: place, reason: reason,
      cure: "Name a checkpoint that dferc-dist has written.")
  }

  static func mismatch(_ path: String, _ place: String, _ reason: String) -> CheckpointError {
    CheckpointError(
      kind: .mismatch, path: path, place: place, reason: reason,
      cure: "Use the configuration that the checkpoint was written with, or another checkpoint.")
  }

  static func storage(_ path: String, _ place: String, _ reason: String) -> CheckpointError {
    CheckpointError(
      kind: .storage, path: path, place: place, reason: reason,
      cure: "Check the device, the permissions and the free memory.")
  }

  /// The error of a file operation on a checkpoint.
  init(_ error: FileError) {
    self.init(
      kind: error.isMissing ? .missing : error.isNoFile ? .foreignFormat : .storage,
      path: error.path, place: error.operation, reason: error.reason, cure: error.cure)
  }

  /// The error of a valid frame whose content is no safetensors file.
  init(_ error: SafetensorsError) {
    self = .foreign(error.path, error.place, error.reason)
  }

  /// Runs a closure and converts the errors of the Files room.
  ///
  /// An unknown error counts as one of the storage.
  static func translating<Result>(
    _ path: String, _ body: () throws -> Result
  ) throws(CheckpointError) -> Result {
    do {
      return try body()
    } catch let error as CheckpointError {
      throw error
    } catch let error as FileError {
      throw CheckpointError(error)
    } catch let error as SafetensorsError {
      throw CheckpointError(error)
    } catch {
      throw .storage(path, "file", "\(error)")
    }
  }
}
