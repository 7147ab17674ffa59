import Files
import TensorCore

/// A checkpoint that cannot be read, written or used, with the place, the reason and the cure.
package struct CheckpointError: ExplainedError {
  /// What is wrong, as far as it decides what to do next.
  package enum Kind: Sendable, Equatable {
    /// There is no such file.
    case missing
    /// The file is cut short or its bytes were changed.
    case damaged
    /// The file is a checkpoint of a version that this program does not read.
    case wrongVersion
    /// The file is no checkpoint of this program.
    case foreignFormat
    /// The file is a sound checkpoint, but not of the model or run that was asked for.
    case mismatch
    /// The device, the permissions or the memory do not allow it.
    case storage
  }

  /// What is wrong, as far as it decides what to do next.
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
  ///   - kind: what is wrong, as far as it decides what to do next.
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

  /// The same trouble in the words of this room.
  init(_ error: FileError) {
    self.init(
      kind: error.isMissing ? .missing : error.isNoFile ? .foreignFormat : .storage,
      path: error.path, place: error.operation, reason: error.reason, cure: error.cure)
  }

  /// The content of a sound frame that is no safetensors file.
  init(_ error: SafetensorsError) {
    self = .foreign(error.path, error.place, error.reason)
  }

  /// Runs what may fail with the errors of the rooms below, and translates them.
  ///
  /// Nothing else is thrown below; an unknown error counts as trouble with the storage.
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
