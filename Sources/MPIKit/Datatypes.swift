import CMPI

/// The datatype handle of an element type.
///
/// The handle is a constant of the library, so it may be shared between threads.
package struct MPIDatatype: @unchecked Sendable {
  let handle: MPI_Datatype
}

/// A type whose values are sent as they are in memory (MPI 3.1, section 3.2.2).
package protocol MPIScalar: BitwiseCopyable, Sendable {
  /// The datatype of the values.
  static var mpiDatatype: MPIDatatype { get }
}

extension Float: MPIScalar {
  /// `MPI_FLOAT`.
  package static var mpiDatatype: MPIDatatype { MPIDatatype(handle: cmpi_float()) }
}

extension Double: MPIScalar {
  /// `MPI_DOUBLE`.
  package static var mpiDatatype: MPIDatatype { MPIDatatype(handle: cmpi_double()) }
}

extension Int64: MPIScalar {
  /// `MPI_INT64_T`.
  package static var mpiDatatype: MPIDatatype { MPIDatatype(handle: cmpi_int64()) }
}

extension UInt8: MPIScalar {
  /// `MPI_UINT8_T`.
  package static var mpiDatatype: MPIDatatype { MPIDatatype(handle: cmpi_uint8()) }
}

/// A reduction operation (MPI 3.1, section 5.9.2).
package enum MPIReduction: Sendable {
  case sum
  case maximum
  case minimum

  var handle: MPI_Op {
    switch self {
    case .sum: cmpi_sum()
    case .maximum: cmpi_max()
    case .minimum: cmpi_min()
    }
  }
}
