import Glibc

/// An operating-system call on a file that failed, with its reason and cure.
package struct FileError: ExplainedError {
  /// The file or folder that the call concerned.
  package let path: String

  /// What was attempted, in a word such as `open`, `write` or `rename`.
  package let operation: String

  /// The value of `errno` after the call.
  package let code: Int32

  /// Whether the call was to create or to change something.
  package let isOutput: Bool

  /// Describes a failed call.
  ///
  /// - Parameters:
  ///   - path: the file or folder that the call concerned.
  ///   - operation: what was attempted, in a word.
  ///   - code: the value of `errno` after the call.
  ///   - isOutput: whether the call was to create or to change something.
  package init(path: String, operation: String, code: Int32, isOutput: Bool = false) {
    self.path = path
    self.operation = operation
    self.code = code
    self.isOutput = isOutput
  }

  /// Whether a file that was to be read, or a folder above it, does not exist.
  ///
  /// A file that cannot be created does not count, even where a folder above it is missing.
  package var isMissing: Bool { !isOutput && (code == ENOENT || code == ENOTDIR) }

  /// Whether what was to be read is a folder, a device or a pipe.
  package var isNoFile: Bool {
    !isOutput && operation == "open" && [EISDIR, EINVAL].contains(code)
  }

  package var location: String? { "\(operation) \(path)" }

  /// The operating system's text for the code.
  package var reason: String {
    // The reentrant form: several threads may report errors at once.
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let text = buffer.baseAddress, strerror_r(code, text, buffer.count) == 0 else {
        return "error \(code)"
      }
      return String(cString: text)
    }
  }

  package var cure: String {
    switch code {
    case ENOENT, ENOTDIR: "Check the path."
    case EACCES, EPERM: "Check the permissions of the file and of the folders above it."
    case ENOSPC: "Free some space on the device, or choose another folder."
    case EDQUOT: "Free some of your quota, or choose another folder."
    case EFBIG: "Raise the limit on the size of files, see `ulimit -f`."
    case EROFS: "Choose a folder on a file system that can be written."
    case EMFILE, ENFILE: "Raise the limit on open files, see `ulimit -n`."
    case ENOMEM: "Give the process more memory."
    case EISDIR: "Name a file inside the folder."
    case EEXIST: "Remove it, or choose another path."
    case ENAMETOOLONG: "Choose a shorter path."
    case EIO, ESTALE: "Check the device and the system's log."
    default: "Check the path and the file system."
    }
  }

  package var exitStatus: ExitStatus { isMissing ? .missingInput : .storage }
}
