import Glibc

/// Checked wrappers of the operating system's file calls.
///
/// A call that a signal interrupts is repeated, and a failure becomes a `FileError` with the call
/// and the path. Code outside this folder does not call these functions of the C library.
package enum SystemCalls {
  /// The largest number of bytes in one call; the kernel transfers at most 0x7fff_f000.
  private static let largestTransfer = 1 << 30

  /// Runs a call that returns -1 on failure until no signal interrupts it.
  ///
  /// - Parameters:
  ///   - operation: what is attempted, in a word.
  ///   - path: the file or folder that the call concerns.
  ///   - isOutput: whether the call creates or changes something.
  ///   - call: the call.
  @discardableResult
  package static func check<Result: FixedWidthInteger>(
    _ operation: String, _ path: String, isOutput: Bool = false, _ call: () -> Result
  ) throws(FileError) -> Result {
    try requireName(operation, path, isOutput: isOutput)
    while true {
      let result = call()
      if result != -1 { return result }
      let code = errno
      if code != EINTR {
        throw FileError(path: path, operation: operation, code: code, isOutput: isOutput)
      }
    }
  }

  /// Throws for a path that cannot be passed to the operating system.
  private static func requireName(
    _ operation: String, _ path: String, isOutput: Bool = false
  ) throws(FileError) {
    // A zero byte would end the C string early and reach another file than the one named.
    guard !path.utf8.contains(0) else {
      throw FileError(path: path, operation: operation, code: EINVAL, isOutput: isOutput)
    }
  }

  /// Opens a folder for listing; the caller closes it.
  package static func openDirectory(_ path: String) throws(FileError) -> OpaquePointer {
    try requireName("list", path)
    guard let stream = opendir(path) else {
      throw FileError(path: path, operation: "list", code: errno)
    }
    return stream
  }

  /// Opens a file; programs that this one starts do not inherit it.
  package static func open(
    _ path: String, _ flags: Int32, permissions: mode_t = 0o644, isOutput: Bool = false
  ) throws(FileError) -> Int32 {
    try check("open", path, isOutput: isOutput) {
      Glibc.open(path, flags | O_CLOEXEC, permissions)
    }
  }

  /// Closes a descriptor and reports a failure that the file system detects only now.
  ///
  /// Linux releases the descriptor even if it reports an interruption, so there is no retry.
  package static func close(_ descriptor: Int32, _ path: String) throws(FileError) {
    guard Glibc.close(descriptor) == -1 else { return }
    let code = errno
    if code != EINTR { throw FileError(path: path, operation: "close", code: code) }
  }

  /// Reads at most the buffer's size; returns 0 at the end of the file.
  package static func read(
    _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, _ path: String
  ) throws(FileError) -> Int {
    let count = min(buffer.count, largestTransfer)
    return try check("read", path) { Glibc.read(descriptor, buffer.baseAddress, count) }
  }

  /// Writes all bytes, in as many calls as it takes.
  package static func write(
    _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, _ path: String
  ) throws(FileError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(largestTransfer))
      let written = try check("write", path, isOutput: true) {
        Glibc.write(descriptor, piece.baseAddress, piece.count)
      }
      // A device that accepts no bytes and reports no error would make this loop endless.
      guard written > 0 else { throw Self.noProgress(path) }
      rest = rest.dropFirst(written)
    }
  }

  private static func noProgress(_ path: String) -> FileError {
    FileError(path: path, operation: "write", code: EIO, isOutput: true)
  }

  /// The kernel's record of an open file.
  package static func status(_ descriptor: Int32, _ path: String) throws(FileError) -> stat {
    var status = stat()
    try check("stat", path) { fstat(descriptor, &status) }
    return status
  }

  /// The kernel's record of the file that a path leads to.
  package static func status(_ path: String) throws(FileError) -> stat {
    var status = stat()
    try check("stat", path) { stat(path, &status) }
    return status
  }

  /// Opens a regular file for reading and returns its size in bytes.
  ///
  /// Folders are refused because reading them fails later and with a less specific error; pipes and
  /// devices, because they have no size that could be checked.
  package static func openForReading(_ path: String) throws(FileError) -> (
    descriptor: Int32, size: Int
  ) {
    let descriptor = try open(path, O_RDONLY | O_NONBLOCK)
    do throws(FileError) {
      let status = try status(descriptor, path)
      switch status.st_mode & S_IFMT {
      case S_IFREG: return (descriptor, Int(status.st_size))
      case S_IFDIR: throw FileError(path: path, operation: "open", code: EISDIR)
      default: throw FileError(path: path, operation: "open", code: EINVAL)
      }
    } catch {
      try? close(descriptor, path)
      throw error
    }
  }
}
