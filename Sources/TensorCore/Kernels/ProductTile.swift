/// A few columns of a product in registers: eight or sixteen.
protocol PanelVector: BitwiseCopyable {
  /// The number of columns.
  static var columns: Int { get }

  /// Zeros.
  init()

  /// Columns from memory.
  init(loading pointer: UnsafePointer<Float>)

  /// The first `count` columns from memory, the others zero.
  init(loading pointer: UnsafePointer<Float>, count: Int)

  /// Adds a row of the panel times a factor.
  mutating func add(_ row: Self, times factor: Float)

  /// Adds another panel.
  mutating func add(_ other: Self)

  /// Writes all columns.
  func store(_ target: UnsafeMutablePointer<Float>)

  /// Writes the first `count` columns.
  func store(_ target: UnsafeMutablePointer<Float>, count: Int)
}

/// Eight columns.
struct NarrowPanel: PanelVector {
  static let columns = 8
  private var first = SIMD8<Float>(repeating: 0)

  @inline(__always)
  init() {}

  @inline(__always)
  init(loading pointer: UnsafePointer<Float>) { first = SIMD8(loading: pointer) }

  @inline(__always)
  init(loading pointer: UnsafePointer<Float>, count: Int) {
    first = SIMD8(pointer, length: count)
  }

  @inline(__always)
  mutating func add(_ row: NarrowPanel, times factor: Float) {
    first = first.adding(row.first, times: SIMD8(repeating: factor))
  }

  @inline(__always)
  mutating func add(_ other: NarrowPanel) { first += other.first }

  @inline(__always)
  func store(_ target: UnsafeMutablePointer<Float>) { first.store(to: target) }

  @inline(__always)
  func store(_ target: UnsafeMutablePointer<Float>, count: Int) {
    first.store(target, length: count)
  }
}

/// Sixteen columns.
struct WidePanel: PanelVector {
  static let columns = 16
  private var first = SIMD8<Float>(repeating: 0)
  private var second = SIMD8<Float>(repeating: 0)

  @inline(__always)
  init() {}

  @inline(__always)
  init(loading pointer: UnsafePointer<Float>) {
    first = SIMD8(loading: pointer)
    second = SIMD8(loading: pointer + 8)
  }

  @inline(__always)
  init(loading pointer: UnsafePointer<Float>, count: Int) {
    first = SIMD8(pointer, length: min(count, 8))
    second = SIMD8(pointer + 8, length: max(count - 8, 0))
  }

  @inline(__always)
  mutating func add(_ row: WidePanel, times factor: Float) {
    let factor = SIMD8(repeating: factor)
    first = first.adding(row.first, times: factor)
    second = second.adding(row.second, times: factor)
  }

  @inline(__always)
  mutating func add(_ other: WidePanel) {
    first += other.first
    second += other.second
  }

  @inline(__always)
  func store(_ target: UnsafeMutablePointer<Float>) {
    first.store(to: target)
    second.store(to: target + 8)
  }

  @inline(__always)
  func store(_ target: UnsafeMutablePointer<Float>, count: Int) {
    first.store(target, length: min(count, 8))
    second.store(target + 8, length: max(count - 8, 0))
  }
}

/// Six rows of a product by the columns of a panel.
///
/// With sixteen columns, twelve of the sixteen registers hold sums, two hold columns and one a
/// factor; if one more is needed, the compiler spills a sum to memory, which halves the speed.
///
/// Every element is one chain of multiply-adds in ascending depth: its bits depend on its own row
/// and column alone, and not on the position of the tile.
struct ProductTile<Panel: PanelVector>: BitwiseCopyable {
  private var row0 = Panel()
  private var row1 = Panel()
  private var row2 = Panel()
  private var row3 = Panel()
  private var row4 = Panel()
  private var row5 = Panel()

  @inline(__always)
  init() {}

  /// A tile of the rows that `row` returns for each index.
  @inline(__always)
  init(_ row: (Int) -> Panel) {
    row0 = row(0)
    row1 = row(1)
    row2 = row(2)
    row3 = row(3)
    row4 = row(4)
    row5 = row(5)
  }

  /// Calls `body` for each row.
  @inline(__always)
  func forEachRow(_ body: (_ index: Int, _ row: Panel) -> Void) {
    body(0, row0)
    body(1, row1)
    body(2, row2)
    body(3, row3)
    body(4, row4)
    body(5, row5)
  }

  /// Adds the product of rows of factors, each contiguous in depth, with a packed panel.
  @inline(__always)
  mutating func add(_ factors: FactorRows, _ panel: UnsafePointer<Float>, depth: Int) {
    let (a0, a1, a2) = (factors.row0, factors.row1, factors.row2)
    let (a3, a4, a5) = (factors.row3, factors.row4, factors.row5)
    var row = panel
    for k in 0..<depth {
      let columns = Panel(loading: row)
      row0.add(columns, times: a0[k])
      row1.add(columns, times: a1[k])
      row2.add(columns, times: a2[k])
      row3.add(columns, times: a3[k])
      row4.add(columns, times: a4[k])
      row5.add(columns, times: a5[k])
      row += Panel.columns
    }
  }

  /// Adds the product of factors that lie side by side, six for each depth, with a packed panel.
  @inline(__always)
  mutating func add(
    packed factors: UnsafePointer<Float>, _ panel: UnsafePointer<Float>, depth: Int
  ) {
    var factor = factors
    var row = panel
    for _ in 0..<depth {
      let columns = Panel(loading: row)
      row0.add(columns, times: factor[0])
      row1.add(columns, times: factor[1])
      row2.add(columns, times: factor[2])
      row3.add(columns, times: factor[3])
      row4.add(columns, times: factor[4])
      row5.add(columns, times: factor[5])
      factor += TileShape.rows
      row += Panel.columns
    }
  }

  /// Adds another tile.
  @inline(__always)
  mutating func add(_ other: ProductTile) {
    row0.add(other.row0)
    row1.add(other.row1)
    row2.add(other.row2)
    row3.add(other.row3)
    row4.add(other.row4)
    row5.add(other.row5)
  }
}

/// The extents of the largest tile.
enum TileShape {
  /// The rows of every tile.
  static let rows = 6

  /// The columns of the widest panel.
  static let columns = WidePanel.columns

  /// The number of tiles that cover a number of rows.
  static func blocks(_ rows: Int) -> Int { (rows + Self.rows - 1) / Self.rows }
}

/// Six neighbouring rows of a matrix; rows beyond the last repeat it, and their results are
/// discarded.
struct FactorRows {
  let row0: UnsafePointer<Float>
  let row1: UnsafePointer<Float>
  let row2: UnsafePointer<Float>
  let row3: UnsafePointer<Float>
  let row4: UnsafePointer<Float>
  let row5: UnsafePointer<Float>

  @inline(__always)
  init(_ matrix: Tensor, from first: Int, column: Int = 0) {
    let last = matrix.rows - 1
    func row(_ offset: Int) -> UnsafePointer<Float> {
      UnsafePointer(matrix.row(min(first + offset, last)) + column)
    }
    row0 = row(0)
    row1 = row(1)
    row2 = row(2)
    row3 = row(3)
    row4 = row(4)
    row5 = row(5)
  }
}
