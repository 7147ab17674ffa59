import Foundation
import Glibc

/// An output for log lines: standard error, which may be a terminal or a file.
package struct Terminal: Sendable {
  /// Whether lines can be redrawn in place.
  package let isInteractive: Bool

  private let write: @Sendable (String) -> Void
  private let columns: @Sendable () -> Int

  /// Standard error of this process.
  package static var standardError: Terminal {
    let isDumb = ProcessInfo.processInfo.environment["TERM"].map { $0 == "dumb" } ?? true
    return Terminal(isInteractive: isatty(STDERR_FILENO) == 1 && !isDumb, columns: measuredWidth) {
      // An error of standard error itself cannot be reported.
      try? FileHandle.standardError.write(contentsOf: Data($0.utf8))
    }
  }

  /// Creates an output, for example one that collects the text in a test.
  package init(
    isInteractive: Bool, columns: @escaping @Sendable () -> Int = { 80 },
    write: @escaping @Sendable (String) -> Void
  ) {
    self.isInteractive = isInteractive
    self.columns = columns
    self.write = write
  }

  /// The current number of columns, which changes with the window.
  package var width: Int { columns() }

  /// Writes a whole line.
  package func line(_ text: String) { write(text + "\n") }

  /// Replaces the text of the current line.
  package func redraw(_ text: String) { write("\r\u{1B}[K" + text) }

  private static func measuredWidth() -> Int {
    var size = winsize()
    let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return isKnown ? Int(size.ws_col) : 80
  }
}
