import CMPI

/// An MPI call that returned an error.
///
/// MPI does not say whether communication is still possible after an error. The only safe reaction
/// is to report it and to call ``MPIEnvironment/abort(code:)``.
package struct MPIError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The value that the function returned; its meaning depends on the library.
  package let code: Int32

  /// The standard's class of `code`, for example `MPI_ERR_TRUNCATE`.
  package let errorClass: Int32

  /// The library's text for `code`.
  package let text: String

  /// The C function that failed.
  package let function: String

  /// The whole message.
  package var description: String {
    "\(function) failed: \(text) (code \(code), class \(errorClass))"
  }

  /// Describes an error code (MPI 3.1, section 8.4).
  init(code: Int32, function: StaticString) {
    self.code = code
    self.function = "\(function)"
    var errorClass = code
    // If the error cannot be described, its number is reported.
    if MPI_Error_class(code, &errorClass) != MPI_SUCCESS { errorClass = code }
    self.errorClass = errorClass
    text = Self.text(of: code)
  }

  private static func text(of code: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MPI_MAX_ERROR_STRING) + 1) {
      buffer in
      var length: Int32 = 0
      guard let base = buffer.baseAddress,
        MPI_Error_string(code, base, &length) == MPI_SUCCESS
      else { return "unknown error" }
      base[Int(length)] = 0
      return String(cString: base)
    }
  }
}

/// Calls an MPI function and checks its result; every call goes through it.
///
/// - Parameters:
///   - function: The name of the C function, for the message.
///   - code: The call itself.
/// - Throws: ``MPIError`` for any return value but `MPI_SUCCESS`.
@inline(__always)
func mpiCheck(
  _ function: StaticString, _ code: @autoclosure () -> Int32
) throws(MPIError) {
  let code = code()
  if code != MPI_SUCCESS { throw MPIError(code: code, function: function) }
}
