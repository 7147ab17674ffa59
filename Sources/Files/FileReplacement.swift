import Glibc

/// A file that is written under a temporary name and then renamed atomically.
///
/// A previous file of that name is unchanged until `commit()`. An object that is released before
/// its commit, because an error was thrown, removes its temporary file. A killed process leaves it
/// behind; `finalName(ofTemporary:)` recognizes its name.
///
/// A process may have only one replacement of a file at a time.
package final class FileReplacement {
  /// The final path.
  package let path: String

  /// The path that is written: the final one, the process identifier and `.tmp`.
  package let temporaryPath: String

  /// Writes the content.
  package let writer: FileWriter

  private var isTemporary = true

  /// Opens the temporary file.
  ///
  /// - Parameter path: the file to create or replace; its folder must exist.
  /// - Throws: `FileError`.
  package init(of path: String) throws(FileError) {
    self.path = path
    temporaryPath = "\(path).\(getpid()).tmp"
    writer = try FileWriter(path: temporaryPath)
  }

  deinit {
    if isTemporary { try? FileSystem.remove(temporaryPath) }
  }

  /// Makes the content durable, renames the file and makes the new name durable.
  ///
  /// - Throws: `FileError`.
  package func commit() throws(FileError) {
    try finishWriting()
    try rename()
    try synchronizeDirectory()
  }

  /// Makes the content durable and closes the file: the first part of `commit()`.
  ///
  /// - Throws: `FileError`.
  package func finishWriting() throws(FileError) {
    try writer.synchronize()
    try writer.close()
  }

  /// Renames the file: the second part of `commit()`.
  ///
  /// - Throws: `FileError`.
  package func rename() throws(FileError) {
    try FileSystem.rename(temporaryPath, to: path)
    isTemporary = false
  }

  /// Makes the name durable: the last part of `commit()`.
  ///
  /// - Throws: `FileError`.
  package func synchronizeDirectory() throws(FileError) {
    try FileSystem.synchronizeDirectory(FileSystem.parent(of: path))
  }

  /// The final name of a temporary file.
  ///
  /// - Parameter name: a file's name, such as `result.json.4711.tmp`.
  /// - Returns: the final name, such as `result.json`, or `nil` if it is not a temporary file.
  package static func finalName(ofTemporary name: String) -> String? {
    guard name.hasSuffix(".tmp") else { return nil }
    let stem = name.dropLast(4)
    guard let dot = stem.lastIndex(of: "."), dot != stem.startIndex else { return nil }
    let process = stem[stem.index(after: dot)...]
    guard !process.isEmpty, process.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return String(stem[..<dot])
  }
}
