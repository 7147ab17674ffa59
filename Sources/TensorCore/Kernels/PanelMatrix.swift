/// A matrix laid out for products with few rows, such as one time step of a recurrence.
///
/// A general product library spends most of its time packing when the left factor has one to eight
/// rows. Here the right factor [depth, columns] is packed once into panels of 24 columns, and each
/// panel stays in the first-level cache while all rows are multiplied by it. Every element of a
/// product is one chain of fused multiply-adds in ascending depth, so the bits of a row do not
/// depend on the other rows of the product.
package struct PanelMatrix: BitwiseCopyable {
  static let panelColumns = 24

  private let pointer: UnsafeMutablePointer<Float>
  /// The number of rows of the packed matrix.
  package let depth: Int
  /// The number of columns of the packed matrix.
  package let columns: Int

  private var panelCount: Int { Self.panelCount(columns: columns) }

  private static func panelCount(columns: Int) -> Int {
    (columns + panelColumns - 1) / panelColumns
  }

  private init(depth: Int, columns: Int, arena: StepArena) {
    self.depth = depth
    self.columns = columns
    pointer =
      arena.tensor(
        rows: Self.panelCount(columns: columns), columns: depth * Self.panelColumns
      ).pointer
  }

  /// Packs `matrix` as it is stored: depth is its row count.
  package init(packing matrix: Tensor, arena: StepArena) {
    self.init(depth: matrix.rows, columns: matrix.columns, arena: arena)
    for panel in 0..<panelCount {
      let first = panel * Self.panelColumns
      let width = min(Self.panelColumns, columns - first)
      for row in 0..<depth {
        let target = pointer + (panel * depth + row) * Self.panelColumns
        target.update(from: matrix.row(row) + first, count: width)
        (target + width).update(repeating: 0, count: Self.panelColumns - width)
      }
    }
  }

  /// Packs the transpose of `matrix`: depth is its column count.
  package init(packingTransposeOf matrix: Tensor, arena: StepArena) {
    self.init(depth: matrix.columns, columns: matrix.rows, arena: arena)
    for panel in 0..<panelCount {
      let target = pointer + panel * depth * Self.panelColumns
      for column in 0..<Self.panelColumns {
        let sourceRow = panel * Self.panelColumns + column
        guard sourceRow < columns else {
          for k in 0..<depth { target[k * Self.panelColumns + column] = 0 }
          continue
        }
        let source = matrix.row(sourceRow)
        for k in 0..<depth { target[k * Self.panelColumns + column] = source[k] }
      }
    }
  }

  /// Computes `c = a self` or adds it to `c`, for tensors whose rows follow one another.
  ///
  /// - Parameters:
  ///   - a: left factor, [m, depth].
  ///   - c: result, [m, columns].
  ///   - accumulate: whether the product is added to what `c` holds.
  package func multiply(_ a: Tensor, into c: Tensor, accumulate: Bool) {
    precondition(
      a.columns == depth && c.columns == columns && a.rows == c.rows,
      "cannot multiply [\(a.rows), \(a.columns)] by [\(depth), \(columns)]")
    for panel in 0..<panelCount {
      let weights = pointer + panel * depth * Self.panelColumns
      let output = PanelOutput(c, panel: panel, accumulate: accumulate)
      var row = 0
      while row &+ 4 <= a.rows {
        multiplyFourRows(a.row(row), weights, output.advanced(byRows: row))
        row &+= 4
      }
      if row &+ 2 <= a.rows {
        multiplyTwoRows(a.row(row), weights, output.advanced(byRows: row))
        row &+= 2
      }
    }
    guard a.rows % 2 == 1 else { return }
    multiplyLastRow(a, into: c, accumulate: accumulate)
  }

  /// Multiplies the last row by two panels at a time, to hide the latency of multiply-adds.
  private func multiplyLastRow(_ a: Tensor, into c: Tensor, accumulate: Bool) {
    let row = a.rows - 1
    for panel in stride(from: 0, to: panelCount, by: 2) {
      let weights = pointer + panel * depth * Self.panelColumns
      let output = PanelOutput(c, panel: panel, accumulate: accumulate)
      if panel &+ 1 < panelCount {
        let next = PanelOutput(c, panel: panel + 1, accumulate: accumulate)
        multiplyOneRow(
          a.row(row), weights, output.advanced(byRows: row), next.advanced(byRows: row))
      } else {
        multiplyOneRow(a.row(row), weights, output.advanced(byRows: row))
      }
    }
  }

  @inline(__always)
  private func multiplyFourRows(
    _ a: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ output: PanelOutput
  ) {
    var sum0 = PanelSum()
    var sum1 = PanelSum()
    var sum2 = PanelSum()
    var sum3 = PanelSum()
    let a1 = a + depth
    let a2 = a1 + depth
    let a3 = a2 + depth
    var w = weights
    for k in 0..<depth {
      let panelRow = PanelSum(loading: w)
      sum0.add(panelRow, times: a[k])
      sum1.add(panelRow, times: a1[k])
      sum2.add(panelRow, times: a2[k])
      sum3.add(panelRow, times: a3[k])
      w += Self.panelColumns
    }
    output.store(sum0, row: 0)
    output.store(sum1, row: 1)
    output.store(sum2, row: 2)
    output.store(sum3, row: 3)
  }

  @inline(__always)
  private func multiplyTwoRows(
    _ a: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ output: PanelOutput
  ) {
    var sum0 = PanelSum()
    var sum1 = PanelSum()
    let a1 = a + depth
    var w = weights
    for k in 0..<depth {
      let panelRow = PanelSum(loading: w)
      sum0.add(panelRow, times: a[k])
      sum1.add(panelRow, times: a1[k])
      w += Self.panelColumns
    }
    output.store(sum0, row: 0)
    output.store(sum1, row: 1)
  }

  @inline(__always)
  private func multiplyOneRow(
    _ a: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ output: PanelOutput,
    _ next: PanelOutput
  ) {
    var sum = PanelSum()
    var nextSum = PanelSum()
    var w = weights
    let nextPanel = depth * Self.panelColumns
    for k in 0..<depth {
      sum.add(PanelSum(loading: w), times: a[k])
      nextSum.add(PanelSum(loading: w + nextPanel), times: a[k])
      w += Self.panelColumns
    }
    output.store(sum, row: 0)
    next.store(nextSum, row: 0)
  }

  @inline(__always)
  private func multiplyOneRow(
    _ a: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ output: PanelOutput
  ) {
    var sum = PanelSum()
    var w = weights
    for k in 0..<depth {
      sum.add(PanelSum(loading: w), times: a[k])
      w += Self.panelColumns
    }
    output.store(sum, row: 0)
  }
}

/// One row of a panel in three registers.
private struct PanelSum {
  var first = SIMD8<Float>(repeating: 0)
  var second = SIMD8<Float>(repeating: 0)
  var third = SIMD8<Float>(repeating: 0)

  @inline(__always)
  init() {}

  @inline(__always)
  init(loading pointer: UnsafePointer<Float>) {
    first = SIMD8(loading: pointer)
    second = SIMD8(loading: pointer + 8)
    third = SIMD8(loading: pointer + 16)
  }

  @inline(__always)
  mutating func add(_ row: PanelSum, times factor: Float) {
    let factor = SIMD8(repeating: factor)
    first = first.adding(row.first, times: factor)
    second = second.adding(row.second, times: factor)
    third = third.adding(row.third, times: factor)
  }
}

/// The columns of the result that belong to one panel.
private struct PanelOutput {
  var pointer: UnsafeMutablePointer<Float>
  let stride: Int
  let width: Int
  let accumulate: Bool

  @inline(__always)
  init(_ c: Tensor, panel: Int, accumulate: Bool) {
    let first = panel * PanelMatrix.panelColumns
    pointer = c.pointer + first
    stride = c.columns
    width = min(PanelMatrix.panelColumns, c.columns - first)
    self.accumulate = accumulate
  }

  @inline(__always)
  func advanced(byRows rows: Int) -> PanelOutput {
    var output = self
    output.pointer += rows * stride
    return output
  }

  @inline(__always)
  func store(_ sum: PanelSum, row: Int) {
    let target = pointer + row * stride
    if width == PanelMatrix.panelColumns {
      sum.first.store(target, length: 8, accumulate: accumulate)
      sum.second.store(target + 8, length: 8, accumulate: accumulate)
      sum.third.store(target + 16, length: 8, accumulate: accumulate)
    } else {
      sum.first.store(target, length: min(width, 8), accumulate: accumulate)
      if width > 8 {
        sum.second.store(target + 8, length: min(width - 8, 8), accumulate: accumulate)
      }
      if width > 16 { sum.third.store(target + 16, length: width - 16, accumulate: accumulate) }
    }
  }
}
