import Files
import Foundation

/// Writes `metrics.jsonl` and `metrics.csv`; every row has reached the kernel when `add` returns.
package final class MetricsLog {
  private let columns: MetricsColumns
  private let lines: FileWriter
  private let table: FileWriter
  private var lastStep: [MetricsRow.Event: Int] = [:]

  /// The numbers, from 1, of the lines that could not be read when the run was resumed.
  package let damagedLines: [Int]

  /// Opens the two files of a run folder.
  ///
  /// - Parameters:
  ///   - columns: The columns of the run.
  ///   - folder: The run folder, which exists.
  ///   - step: The step of the checkpoint that the run is resumed from: rows of later steps, a
  ///     truncated row, and the score of the test split, which is computed again at the end, are
  ///     removed. Nil for a new run: both files start empty.
  ///   - isValidated: Whether the checkpoint was written after the validation of its step; if not,
  ///     its row is removed, because the validation is repeated.
  /// - Throws: `FileError`.
  package init(
    _ columns: MetricsColumns, folder: String, resumingAt step: Int?, isValidated: Bool = false
  ) throws(FileError) {
    self.columns = columns
    let linesPath = "\(folder)/metrics.jsonl"
    let tablePath = "\(folder)/metrics.csv"
    let found = try step.map { _ throws(FileError) in try JSONLines<MetricsRow>(linesPath) }
    damagedLines = found?.damaged ?? []
    let rows = (found?.values ?? []).filter { row in
      guard let step else { return false }
      return switch row.event {
      case .train: row.step <= step
      case .validation: row.step < step || isValidated && row.step == step
      case .test: false
      }
    }
    for row in rows { lastStep[row.event] = row.step }
    try FileSystem.write(rows.map(columns.json).joined(), to: linesPath)
    try FileSystem.write(columns.csvHeader + rows.map(columns.csv).joined(), to: tablePath)
    lines = try FileWriter(path: linesPath, mode: .append)
    table = try FileWriter(path: tablePath, mode: .append)
  }

  /// Adds a row to both files.
  ///
  /// A row that was written before the run was interrupted is not added again: each event has at
  /// most one row a step, in ascending order.
  /// - Throws: `FileError`.
  package func add(_ row: MetricsRow) throws(FileError) {
    if let last = lastStep[row.event], row.step <= last { return }
    lastStep[row.event] = row.step
    try lines.write(columns.json(row))
    try table.write(columns.csv(row))
  }

  /// Writes all rows to the device, so that they survive a loss of power; on any thread.
  ///
  /// - Throws: `FileError`.
  package func synchronize() throws(FileError) {
    try lines.synchronize()
    try table.synchronize()
  }

  /// Closes both files.
  ///
  /// - Throws: `FileError`.
  package func close() throws(FileError) {
    try lines.close()
    try table.close()
  }
}

/// The content of a file with one JSON value on each line; lines may be damaged.
package struct JSONLines<Value: Decodable> {
  /// The values of all lines that can be read.
  package let values: [Value]
  /// The numbers, from 1, of the other lines, except for a truncated last one.
  package let damaged: [Int]

  /// Reads a file; one that does not exist has no lines.
  package init(_ path: String) throws(FileError) {
    var bytes: [UInt8] = []
    do { bytes = try FileSystem.readAll(path) } catch {
      guard error.isMissing else { throw error }
    }
    let decoder = JSONDecoder()
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    var (values, damaged): ([Value], [Int]) = ([], [])
    for (index, line) in lines.enumerated() where !line.isEmpty {
      if let value = try? decoder.decode(Value.self, text: line) {
        values.append(value)
      } else if index + 1 < lines.count {
        damaged.append(index + 1)
      }
    }
    (self.values, self.damaged) = (values, damaged)
  }
}
