import Glibc

/// Operations on files and folders that need no open file.
package enum FileSystem {
  /// Whether a file or folder exists at a path and is visible to this user.
  package static func exists(_ path: String) -> Bool {
    (try? SystemCalls.status(path)) != nil
  }

  /// Whether a folder exists at a path.
  package static func isDirectory(_ path: String) -> Bool {
    guard let status = try? SystemCalls.status(path) else { return false }
    return status.st_mode & S_IFMT == S_IFDIR
  }

  /// Whether two paths lead to the same file or folder, links resolved.
  package static func isSame(_ path: String, _ otherPath: String) -> Bool {
    guard let one = try? SystemCalls.status(path), let other = try? SystemCalls.status(otherPath)
    else { return false }
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino
  }

  /// The size of a file in bytes.
  ///
  /// - Throws: `FileError`.
  package static func byteCount(of path: String) throws(FileError) -> Int {
    Int(try SystemCalls.status(path).st_size)
  }

  /// The whole content of a regular file.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - limit: the largest size in bytes that is read.
  /// - Throws: `FileError`, for a larger file with the code `EFBIG`.
  package static func readAll(_ path: String, limit: Int = .max) throws(FileError) -> [UInt8] {
    let reader = try FileReader(path: path)
    guard reader.byteCount <= limit else {
      throw FileError(path: path, operation: "read", code: EFBIG)
    }
    // A sparse file may be larger than memory, and an array traps where it cannot be allocated.
    guard MemoryBytes(byteCount: reader.byteCount) != nil else {
      throw FileError(path: path, operation: "read", code: ENOMEM)
    }
    var failure: FileError?
    let content = [UInt8](unsafeUninitializedCapacity: reader.byteCount) { buffer, count in
      do throws(FileError) {
        count = try reader.read(into: UnsafeMutableRawBufferPointer(buffer))
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return content
  }

  /// Writes a whole file.
  ///
  /// - Parameters:
  ///   - bytes: the content.
  ///   - path: the file; its folder must exist.
  ///   - atomically: whether the file appears durable and complete, or not at all; otherwise a
  ///     failure may leave part of it.
  /// - Throws: `FileError`; a temporary file is removed first.
  package static func write(
    _ bytes: [UInt8], to path: String, atomically: Bool = true
  ) throws(FileError) {
    if atomically {
      let file = try FileReplacement(of: path)
      try file.writer.write(bytes)
      try file.commit()
    } else {
      let writer = try FileWriter(path: path)
      try writer.write(bytes)
      try writer.close()
    }
  }

  /// Writes a text in UTF-8, as `write(_:to:atomically:)` does.
  ///
  /// - Throws: `FileError`.
  package static func write(
    _ text: String, to path: String, atomically: Bool = true
  ) throws(FileError) {
    try write(Array(text.utf8), to: path, atomically: atomically)
  }

  /// Removes a file or symbolic link.
  ///
  /// - Throws: `FileError`, also where there is none.
  package static func remove(_ path: String) throws(FileError) {
    try SystemCalls.check("remove", path) { unlink(path) }
  }

  /// Renames a file atomically; an existing file of the new name is replaced.
  ///
  /// The new name is durable only after `synchronizeDirectory` on its folder.
  ///
  /// - Throws: `FileError`.
  package static func rename(_ path: String, to newPath: String) throws(FileError) {
    try SystemCalls.check("rename", path, isOutput: true) { Glibc.rename(path, newPath) }
  }

  /// The number of bytes that this user can still write to the device of a path.
  ///
  /// - Throws: `FileError`.
  package static func freeBytes(at path: String) throws(FileError) -> Int {
    var status = statvfs()
    try SystemCalls.check("statvfs", path) { statvfs(path, &status) }
    let blocks = Int(clamping: status.f_bavail)
    let (bytes, overflow) = blocks.multipliedReportingOverflow(by: Int(clamping: status.f_frsize))
    return overflow ? Int.max : bytes
  }
}
