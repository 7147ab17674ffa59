import COpenBLAS

/// An operand of a matrix product: a tensor, or a block of one.
package protocol MatrixOperand {
  /// The memory of the matrix, and whether it is transposed.
  var block: MatrixBlock { get }
}

/// A row-major block of a larger matrix, as stored or transposed.
package struct MatrixBlock: BitwiseCopyable, MatrixOperand {
  let pointer: UnsafeMutablePointer<Float>
  let storedRows: Int
  let storedColumns: Int
  let stride: Int
  let isTransposed: Bool

  /// - Parameters:
  ///   - pointer: the first element.
  ///   - rows: the number of stored rows.
  ///   - columns: the number of stored columns.
  ///   - stride: floats from one stored row to the next, at least `columns`.
  ///   - isTransposed: whether the operand is the transpose of the stored block.
  package init(
    _ pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int,
    isTransposed: Bool = false
  ) {
    self.pointer = pointer
    storedRows = rows
    storedColumns = columns
    self.stride = stride
    self.isTransposed = isTransposed
  }

  /// The block itself.
  package var block: MatrixBlock { self }

  /// The number of rows of the operand.
  package var rows: Int { isTransposed ? storedColumns : storedRows }

  /// The number of columns of the operand.
  package var columns: Int { isTransposed ? storedRows : storedColumns }
}

extension MatrixOperand {
  /// The same matrix, transposed.
  package var transposed: MatrixBlock {
    let block = block
    return MatrixBlock(
      block.pointer, rows: block.storedRows, columns: block.storedColumns, stride: block.stride,
      isTransposed: !block.isTransposed)
  }
}

extension Tensor: MatrixOperand {
  /// The whole tensor.
  package var block: MatrixBlock {
    MatrixBlock(pointer, rows: rows, columns: columns, stride: columns)
  }
}

/// Matrix products by OpenBLAS, the only calls of `cblas_*`.
package enum MatrixProduct {
  /// Computes `c = scale * a b`, or adds it to `c`.
  ///
  /// - Parameters:
  ///   - a: left factor, [m, k].
  ///   - b: right factor, [k, n].
  ///   - c: result, [m, n], not transposed.
  ///   - accumulate: whether the product is added to what `c` holds.
  ///   - scale: a factor of every element of the product.
  package static func multiply(
    _ a: some MatrixOperand, _ b: some MatrixOperand, into c: some MatrixOperand,
    accumulate: Bool, scale: Float = 1
  ) {
    multiply(blocks: a.block, b.block, into: c.block, accumulate: accumulate, scale: scale)
  }

  private static func multiply(
    blocks a: MatrixBlock, _ b: MatrixBlock, into c: MatrixBlock, accumulate: Bool, scale: Float
  ) {
    precondition(
      a.columns == b.rows && c.rows == a.rows && c.columns == b.columns && !c.isTransposed,
      "cannot multiply [\(a.rows), \(a.columns)] by [\(b.rows), \(b.columns)] "
        + "into [\(c.rows), \(c.columns)]")
    guard c.rows > 0, c.columns > 0 else { return }
    cblas_sgemm(
      CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans,
      b.isTransposed ? CblasTrans : CblasNoTrans, blasint(c.rows), blasint(c.columns),
      blasint(a.columns), scale, a.pointer, blasint(max(a.stride, 1)), b.pointer,
      blasint(max(b.stride, 1)), accumulate ? 1 : 0, c.pointer, blasint(max(c.stride, 1)))
  }
}

/// Properties and settings of the BLAS library of this process.
package enum BLASLibrary {
  /// The processor kernel that OpenBLAS chose, such as `Haswell`.
  package static let kernelName = String(cString: openblas_get_corename())

  /// The version and build options of OpenBLAS.
  ///
  /// Read once: the library writes the text into memory of its own at every call, which threads
  /// would share.
  package static let configuration = String(cString: openblas_get_config())

  /// The number of threads that a product may use.
  package static var threadCount: Int { Int(openblas_get_num_threads()) }

  /// Sets the number of threads that a product may use, for the whole process.
  package static func setThreadCount(_ count: Int) {
    openblas_set_num_threads(Int32(count))
  }
}
