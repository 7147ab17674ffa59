import Files
import Foundation
import Logging
import Synchronization

/// The log of a rank, on standard error and, on rank 0, in `log.txt`.
///
/// On a terminal the progress line is redrawn in place and log lines appear above it. In a file it
/// becomes a plain line every few seconds.
package final class RunLog: Sendable {
  private struct State {
    var file: FileWriter?
    /// Lines for `log.txt` from before the run folder was opened.
    var pending: [String] = []
    var showsProgress = false
    var lastDrawn: ContinuousClock.Instant?
    var lastLogged: ContinuousClock.Instant?
  }

  /// The rank of this log.
  package let rank: Int

  private let terminal: Terminal
  private let state = Mutex(State())

  /// The log of a rank, on standard error.
  ///
  /// - Parameter rank: The rank; 0 logs everything, the others only warnings and errors.
  package convenience init(rank: Int) {
    self.init(rank: rank, terminal: .standardError)
  }

  package init(rank: Int, terminal: Terminal) {
    self.rank = rank
    self.terminal = terminal
  }

  /// A logger that writes here.
  package var logger: Logger {
    Logger(label: "dferc-dist") { _ in RunLogHandler(log: self) }
  }

  /// Appends all later lines, and the earlier ones, to a file.
  ///
  /// - Parameter path: The file `log.txt` of the run folder.
  /// - Throws: `FileError`.
  package func open(_ path: String) throws(FileError) {
    try state.withLock { (state) throws(FileError) in
      let writer = try FileWriter(path: path, mode: .append)
      try writer.write(state.pending.joined())
      state.pending = []
      state.file = writer
    }
  }

  /// Shows the progress of the run, at a rate that depends on the terminal; only on rank 0.
  package func show(_ progress: ProgressSnapshot, now: ContinuousClock.Instant = .now) {
    guard rank == 0 else { return }
    let isDue = state.withLock { state in
      if terminal.isInteractive, state.lastDrawn.map({ now - $0 >= .milliseconds(100) }) ?? true {
        state.lastDrawn = now
        state.showsProgress = true
        terminal.redraw(progress.line(width: terminal.width))
      }
      guard state.lastLogged.map({ now - $0 >= .seconds(10) }) ?? true else { return false }
      state.lastLogged = now
      return true
    }
    if isDue { write(progress.text, level: .info, onTerminal: !terminal.isInteractive) }
  }

  /// Removes the progress line, so that the next output starts on an empty line.
  package func clearProgress() {
    state.withLock { clear(&$0) }
  }

  /// Writes a line to standard error and to the file.
  package func write(_ message: String, level: Logger.Level, onTerminal: Bool = true) {
    guard rank == 0 || level >= .warning else { return }
    let kind = level >= .warning ? "\(level == .warning ? "warning" : "error"): " : ""
    let speaker = rank == 0 ? "" : "rank \(rank): "
    state.withLock { state in
      if onTerminal {
        clear(&state)
        terminal.line(speaker + kind + message)
      }
      if rank == 0 { append("\(Date().ISO8601Format()) \(level) \(message)\n", in: &state) }
    }
  }

  private func clear(_ state: inout State) {
    guard state.showsProgress else { return }
    terminal.redraw("")
    state.showsProgress = false
  }

  /// Appends a line to the file; after an error, the file is closed and the run continues.
  private func append(_ line: String, in state: inout State) {
    guard let file = state.file else {
      if state.pending.count < 1000 { state.pending.append(line) }
      return
    }
    do { try file.write(line) } catch {
      state.file = nil
      terminal.line("warning: log.txt ends here: \(error)")
    }
  }
}

extension RunLog {
  /// Appends the message of the error that ends the program to the file.
  package func programEnds(with message: String) {
    write(message, level: .error, onTerminal: false)
  }
}

/// The handler of a `Logger` that writes to the log of its rank.
package struct RunLogHandler: LogHandler {
  package let log: RunLog
  package var logLevel = Logger.Level.info
  package var metadata: Logger.Metadata = [:]
  package var metadataProvider: Logger.MetadataProvider?

  package init(log: RunLog) { self.log = log }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    let all = (metadataProvider?.get() ?? [:])
      .merging(metadata) { $1 }
      .merging(event.metadata ?? [:]) { $1 }
    let facts = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    let cause = event.error.map { ": \($0)" } ?? ""
    log.write("\(event.message)\(cause)\(facts)", level: event.level)
  }
}
