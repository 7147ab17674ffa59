import Foundation
import Glibc

/// Standard error, which may be a terminal or a file.
package struct Terminal: Sendable {
  /// Whether lines can be redrawn in place.
  package let isInteractive: Bool

  private let write: @Sendable (String) -> Void
  private let columns: @Sendable () -> Int

  /// Standard error of this process.
  package static var standardError: Terminal {
    let isDumb = ProcessInfo.processInfo.environment["TERM"].map { $0 == "dumb" } ?? true
    return Terminal(isInteractive: isatty(STDERR_FILENO) == 1 && !isDumb, columns: measuredWidth) {
      // There is nobody left to tell when standard error itself cannot be written.
      try? FileHandle.standardError.write(contentsOf: Data($0.utf8))
    }
  }

  /// Creates a terminal, for example one that keeps what is written.
  package init(
    isInteractive: Bool, columns: @escaping @Sendable () -> Int = { 80 },
    write: @escaping @Sendable (String) -> Void
  ) {
    self.isInteractive = isInteractive
    self.columns = columns
    self.write = write
  }

  /// The number of columns at this moment; windows are resized.
  package var width: Int { columns() }

  /// Writes a whole line.
  package func line(_ text: String) { write(text + "\n") }

  /// Puts a text in the place of the line that the cursor is in.
  package func redraw(_ text: String) { write("\r\u{1B}[K" + text) }

  private static func measuredWidth() -> Int {
    var size = winsize()
    let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return isKnown ? Int(size.ws_col) : 80
  }
}
