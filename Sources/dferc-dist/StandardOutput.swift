import Files
import Foundation
import TensorCore

/// The stream that results are printed to; messages are printed to standard error.
package enum StandardOutput {
  /// Writes a text without adding a line feed.
  ///
  /// - Throws: `FileError`, for example for a file on a full device.
  package static func write(_ text: String) throws(FileError) {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
      let cause = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
      let code = cause.flatMap { Int32(exactly: $0.code) } ?? EIO
      throw FileError(path: "standard output", operation: "write", code: code, isOutput: true)
    }
  }
}
