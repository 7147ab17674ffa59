import Files
import TensorCore

/// The result of a search for a valid checkpoint.
package struct CheckpointSearch: Sendable {
  /// The newest valid step checkpoint; nil if there is none.
  package let checkpoint: Checkpoint?

  /// The errors of the newer ones, the newest first.
  package let rejected: [CheckpointError]
}

extension CheckpointStore {
  private static let stepPrefix = "step-"
  private static let suffix = ".safetensors.zst"

  /// The folder of the step checkpoints.
  package var stepFolder: String { "\(folder)/checkpoints" }

  /// The file of the best checkpoint, whether it exists or not.
  package var bestPath: String { "\(folder)/best\(Self.suffix)" }

  /// The file of a step's checkpoint, whether it exists or not.
  ///
  /// - Parameter step: the number of steps done, 0 or more.
  package func path(ofStep step: Int) -> String {
    precondition(step >= 0, "step \(step)")
    let digits = String(step)
    let padding = String(repeating: "0", count: max(0, 8 - digits.count))
    return "\(stepFolder)/\(Self.stepPrefix)\(padding)\(digits)\(Self.suffix)"
  }

  /// The steps that have a checkpoint, valid or not, in ascending order.
  ///
  /// - Throws: `CheckpointError` if the folder cannot be read; one that is missing has no steps.
  package func steps() throws(CheckpointError) -> [Int] {
    do throws(FileError) {
      return try FileSystem.list(stepFolder).compactMap(Self.step(ofName:)).sorted()
    } catch {
      if error.isMissing { return [] }
      throw CheckpointError(error)
    }
  }

  /// Reads the newest valid step checkpoint.
  ///
  /// - Returns: the checkpoint, and the errors of the newer ones.
  /// - Throws: `CheckpointError` if the folder cannot be read.
  package func newestValid() throws(CheckpointError) -> CheckpointSearch {
    var rejected: [CheckpointError] = []
    for step in try steps().reversed() {
      do throws(CheckpointError) {
        let checkpoint = try Checkpoint(path: path(ofStep: step))
        return CheckpointSearch(checkpoint: checkpoint, rejected: rejected)
      } catch {
        rejected.append(error)
      }
    }
    return CheckpointSearch(checkpoint: nil, rejected: rejected)
  }

  /// Reads the best checkpoint.
  ///
  /// - Throws: `CheckpointError`, of kind `missing` if there is none.
  package func best() throws(CheckpointError) -> Checkpoint {
    try Checkpoint(path: bestPath)
  }

  /// The step in a checkpoint's name, or `nil` if it is not exactly such a name.
  static func step(ofName name: String) -> Int? {
    guard name.hasPrefix(stepPrefix), name.hasSuffix(suffix) else { return nil }
    let digits = name.dropFirst(stepPrefix.count).dropLast(suffix.count)
    guard digits.count >= 8, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      digits.count == 8 || digits.first != "0"
    else { return nil }
    return Int(digits)
  }

  /// Whether a name is that of an unfinished checkpoint.
  static func isStale(_ name: String) -> Bool {
    guard let final = FileReplacement.finalName(ofTemporary: name) else { return false }
    return final == "best\(suffix)" || step(ofName: final) != nil
  }
}
