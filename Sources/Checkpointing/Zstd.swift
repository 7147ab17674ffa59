import CZstd

/// Checked calls of the zstd library.
enum Zstd {
  /// Runs a call whose result is a size or an error code.
  ///
  /// An error while reading is one of the file; while writing, one of the memory or the device.
  @discardableResult
  static func check(
    _ operation: String, _ path: String, isReading: Bool, _ call: () -> Int
  ) throws(CheckpointError) -> Int {
    let result = call()
    guard ZSTD_isError(result) != 0 else { return result }
    let reason = "zstd could not \(operation): \(String(cString: ZSTD_getErrorName(result)))"
    throw isReading ? .damaged(path, "frame", reason) : .storage(path, "frame", reason)
  }
}
