import TensorCore

/// Writes `samples.jsonl`: which dialogues each step was trained on.
///
/// The files of a run that was interrupted and of one that was not are equal, which shows that no
/// dialogue was lost or seen twice.
public final class SampleLog {
  private struct Line: Codable {
    let epoch: Int
    let step: Int
    let dialogues: [String]

    var json: String {
      let ids = dialogues.map(JSONText.string).joined(separator: ",")
      return "{\"epoch\":\(epoch),\"step\":\(step),\"dialogues\":[\(ids)]}\n"
    }
  }

  private let writer: FileWriter

  /// Opens the file of a run folder.
  ///
  /// - Parameters:
  ///   - folder: The run folder, which exists.
  ///   - step: The step of the checkpoint that the run goes on from: lines of later steps are
  ///     removed. Nil for a new run: the file starts empty.
  /// - Throws: `FileError`.
  public init(folder: String, resumingAt step: Int?) throws(FileError) {
    let path = "\(folder)/samples.jsonl"
    let lines =
      try step.map { step throws(FileError) in
        try JSONLines<Line>.read(path).filter { $0.step <= step }
      } ?? []
    try FileSystem.write(lines.map(\.json).joined(), to: path)
    writer = try FileWriter(path: path, mode: .append)
  }

  /// Adds the line of a step.
  ///
  /// - Parameters:
  ///   - epoch: The epoch, counted from 1.
  ///   - step: The number of parameter updates made, this step's included.
  ///   - dialogues: The ids of the global batch's dialogues in the order of the batch plan.
  /// - Throws: `FileError`.
  public func add(epoch: Int, step: Int, dialogues: [String]) throws(FileError) {
    try writer.write(Line(epoch: epoch, step: step, dialogues: dialogues).json)
  }

  /// Returns once all lines are on the device, safe from a loss of power; on any thread.
  ///
  /// - Throws: `FileError`.
  public func synchronize() throws(FileError) { try writer.synchronize() }

  /// Closes the file.
  ///
  /// - Throws: `FileError`.
  public func close() throws(FileError) { try writer.close() }
}
