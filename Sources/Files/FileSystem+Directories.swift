import Glibc

extension FileSystem {
  /// The parent folder of a path: everything before its last slash.
  package static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The names in a folder, sorted by their UTF-8 bytes, without `.` and `..`.
  ///
  /// - Throws: `FileError`.
  package static func list(_ directory: String) throws(FileError) -> [String] {
    let stream = try SystemCalls.openDirectory(directory)
    defer { closedir(stream) }
    var names: [String] = []
    while let name = try nextName(of: stream, in: directory) {
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  private static func nextName(
    of stream: OpaquePointer, in directory: String
  ) throws(FileError) -> String? {
    errno = 0  // readdir returns nil at the end and on failure; only errno distinguishes them
    guard let entry = readdir(stream) else {
      guard errno == 0 else { throw FileError(path: directory, operation: "list", code: errno) }
      return nil
    }
    // The record ends with its name, so copying a whole `dirent` could read past the buffer.
    guard let offset = MemoryLayout<dirent>.offset(of: \dirent.d_name) else { return nil }
    let name = UnsafeRawPointer(entry).advanced(by: offset)
    return String(cString: name.assumingMemoryBound(to: CChar.self))
  }

  /// Creates a folder unless it exists.
  ///
  /// - Parameters:
  ///   - path: the folder.
  ///   - withParents: whether missing folders above it are created as well.
  /// - Throws: `FileError`, also when a file of that name exists.
  package static func createDirectory(
    _ path: String, withParents: Bool = true
  ) throws(FileError) {
    if isDirectory(path) { return }
    let parent = parent(of: path)
    if withParents && parent != path && !isDirectory(parent) {
      try createDirectory(parent)
    }
    do throws(FileError) {
      try SystemCalls.check("create folder", path, isOutput: true) { mkdir(path, 0o755) }
    } catch {
      // Another process may have created it since the check.
      guard error.code == EEXIST, isDirectory(path) else { throw error }
    }
  }

  /// Writes the names in a folder to the device, so that they survive a loss of power.
  ///
  /// - Throws: `FileError`, but not on file systems that cannot do this for folders.
  package static func synchronizeDirectory(_ path: String) throws(FileError) {
    let descriptor = try SystemCalls.open(path, O_RDONLY | O_DIRECTORY, isOutput: true)
    defer { try? SystemCalls.close(descriptor, path) }
    do throws(FileError) {
      try SystemCalls.check("fsync", path, isOutput: true) { fsync(descriptor) }
    } catch {
      guard error.code == EINVAL || error.code == EOPNOTSUPP else { throw error }
    }
  }

  /// Removes a directory and all that it holds; links are removed, not followed.
  ///
  /// - Throws: `FileError`; what was removed before the error is not restored.
  package static func removeTree(_ path: String) throws(FileError) {
    for name in try list(path) {
      let child = "\(path)/\(name)"
      var status = stat()
      try SystemCalls.check("stat", child) { lstat(child, &status) }
      if status.st_mode & S_IFMT == S_IFDIR {
        try removeTree(child)
      } else {
        try remove(child)
      }
    }
    try SystemCalls.check("remove", path) { rmdir(path) }
  }
}
