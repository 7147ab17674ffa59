import CMPI

/// Facts of the MPI library of this process, initialized or not.
package enum MPILibrary {
  /// The name and version, such as `Open MPI v4.1.4` (`MPI_Get_library_version`, MPI 3.1,
  /// section 8.1.1).
  ///
  /// - Throws: ``MPIError``.
  package static func version() throws(MPIError) -> String {
    var bytes = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING) + 1)
    var length: Int32 = 0
    try mpiCheck("MPI_Get_library_version", MPI_Get_library_version(&bytes, &length))
    let text = String(decoding: bytes[..<Int(length)].map(UInt8.init(bitPattern:)), as: UTF8.self)
    // Open MPI adds the builder and the date after a comma.
    return String(text.prefix { $0 != "," && !$0.isNewline })
  }

  /// Whether the kernel lets ranks of a node read each other's memory, so that a large message is
  /// copied once (`process_vm_readv`).
  package static var canCopyOnce: Bool { cmpi_can_read_process_memory() != 0 }
}
