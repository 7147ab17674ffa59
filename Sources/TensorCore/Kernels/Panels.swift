/// Packed columns of a matrix: panels of 16 columns, the last of 8 if no more are left.
///
/// A panel holds, for each row of the matrix, its columns side by side; columns beyond the matrix
/// are zero.
struct Panels: BitwiseCopyable {
  static let widest = TileShape.columns

  let pointer: UnsafeMutablePointer<Float>
  /// The rows of the matrix.
  let depth: Int
  /// The columns of the matrix.
  let columns: Int

  /// The number of panels.
  var count: Int { (columns + Self.widest - 1) / Self.widest }

  /// Allocates the panels of a matrix without packing them.
  init(depth: Int, columns: Int, arena: StepArena) {
    self.depth = depth
    self.columns = columns
    let padded = (columns + 7) / 8 * 8
    pointer =
      arena.allocate(Float.self, count: max(depth * padded, 1)).baseAddress.unsafelyUnwrapped
  }

  /// The columns that panel `index` has in the matrix.
  @inline(__always)
  func width(_ index: Int) -> Int { min(Self.widest, columns - index * Self.widest) }

  /// Whether panel `index` has 16 columns in memory, not 8.
  @inline(__always)
  func isWide(_ index: Int) -> Bool { width(index) > NarrowPanel.columns }

  @inline(__always)
  private func paddedWidth(_ index: Int) -> Int {
    isWide(index) ? WidePanel.columns : NarrowPanel.columns
  }

  /// The start of a panel.
  @inline(__always)
  subscript(index: Int) -> UnsafeMutablePointer<Float> {
    pointer + index * Self.widest * depth
  }

  /// Packs the columns of some panels as the matrix stores them, row after row.
  func pack(_ matrix: Tensor, panels: Range<Int>, rows: Range<Int>) {
    for (position, row) in rows.enumerated() {
      let source = matrix.row(row)
      for panel in panels {
        let from = source + panel * Self.widest
        let target = self[panel]
        if isWide(panel) {
          WidePanel(loading: from, count: width(panel)).store(target + position * WidePanel.columns)
        } else {
          NarrowPanel(loading: from, count: width(panel))
            .store(target + position * NarrowPanel.columns)
        }
      }
    }
  }

  /// Packs columns of panel `index` from the rows of a matrix that is stored transposed.
  func packTransposed(_ matrix: Tensor, panel index: Int) {
    let width = width(index)
    let padded = paddedWidth(index)
    let target = self[index]
    for column in 0..<padded {
      guard column < width else {
        for k in 0..<depth { target[k * padded + column] = 0 }
        continue
      }
      let source = matrix.row(index * Self.widest + column)
      for k in 0..<depth { target[k * padded + column] = source[k] }
    }
  }
}
