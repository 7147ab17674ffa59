import Files

/// Writes `samples.jsonl`: the dialogues of each training step.
///
/// An interrupted and resumed run writes the same file as one that was not interrupted, which
/// proves that no dialogue is lost or repeated.
package final class SampleLog {
  private struct Line: Codable {
    let epoch: Int
    let step: Int
    let dialogues: [String]

    var json: String {
      let ids = dialogues.map(JSONText.string).joined(separator: ",")
      return "{\"epoch\":\(epoch),\"step\":\(step),\"dialogues\":[\(ids)]}\n"
    }
  }

  /// The numbers, from 1, of the lines that could not be read when the run was resumed.
  package let damagedLines: [Int]

  private let writer: FileWriter

  /// Opens the file of a run folder.
  ///
  /// - Parameters:
  ///   - folder: The run folder, which exists.
  ///   - step: The step of the checkpoint that the run is resumed from: lines of later steps are
  ///     removed. Nil for a new run: the file starts empty.
  /// - Throws: `FileError`.
  package init(folder: String, resumingAt step: Int?) throws(FileError) {
    let path = Self.path(in: folder)
    let found = try step.map { _ throws(FileError) in try JSONLines<Line>(path) }
    damagedLines = found?.damaged ?? []
    let lines = (found?.values ?? []).filter { line in step.map { line.step <= $0 } ?? false }
    try FileSystem.write(lines.map(\.json).joined(), to: path)
    writer = try FileWriter(path: path, mode: .append)
  }

  /// Whether the run in a folder has logged its samples, and is to continue.
  ///
  /// - Parameter folder: The run folder.
  package static func exists(in folder: String) -> Bool { FileSystem.exists(path(in: folder)) }

  private static func path(in folder: String) -> String { "\(folder)/samples.jsonl" }

  /// Adds the line of a step.
  ///
  /// - Parameters:
  ///   - epoch: The epoch, counted from 1.
  ///   - step: The number of steps made, skipped ones and this one included.
  ///   - dialogues: The ids of the global batch's dialogues in the order of the batch plan.
  /// - Throws: `FileError`.
  package func add(epoch: Int, step: Int, dialogues: [String]) throws(FileError) {
    try writer.write(Line(epoch: epoch, step: step, dialogues: dialogues).json)
  }

  /// Writes all lines to the device, so that they survive a loss of power; on any thread.
  ///
  /// - Throws: `FileError`.
  package func synchronize() throws(FileError) { try writer.synchronize() }

  /// Closes the file.
  ///
  /// - Throws: `FileError`.
  package func close() throws(FileError) { try writer.close() }
}
