/// The three matrix products of a linear map `y = x W^T`.
///
/// Letters: N rows, D inputs, E outputs.
package struct LinearProducts: BitwiseCopyable, Sendable {
  /// Whether the bits of a result depend on its own rows alone.
  ///
  /// OpenBLAS orders a sum by the shape of the whole product and the number of threads, so that the
  /// bits of a row may depend on the other rows of a product. Reproducible products use kernels of
  /// this module instead:
  /// - a row of `y`, and of the gradient of `x`, depends on that row of the input alone;
  /// - the gradient of `W` is summed over the rows of each segment first, and the segments then in
  ///   the order of ``SummationTree``, so that any aligned run of them may be computed anywhere;
  /// - neither depends on the number of threads.
  package let isDeterministic: Bool

  /// Products by the kernels of this module.
  package static let reproducible = LinearProducts(isDeterministic: true)

  /// Products by OpenBLAS, which uses the widest registers of the processor.
  package static let fast = LinearProducts(isDeterministic: false)

  /// The number of rows of W that are packed at a time, so that they fit into the second-level
  /// cache.
  private static let depthBlock = 128

  /// `y += x W^T`.
  ///
  /// - Parameters:
  ///   - x: [N, D].
  ///   - weight: W, [E, D].
  ///   - y: [N, E], which holds the bias or other terms.
  ///   - arena: for scratch memory, released on return.
  ///   - workers: outputs are divided between them.
  package func addForward(
    _ x: Tensor, weight: Tensor, into y: Tensor, arena: StepArena, workers: Workers
  ) {
    precondition(
      x.columns == weight.columns && y.columns == weight.rows && x.rows == y.rows,
      "cannot multiply [\(x.rows), \(x.columns)] by [\(weight.rows), \(weight.columns)] transposed")
    guard x.rows > 0 else { return }
    guard isDeterministic else {
      return MatrixProduct.multiply(x, weight.transposed, into: y, accumulate: true)
    }
    // W is read once from memory, six rows at a time, and multiplied by all of x, which is packed.
    arena.temporarily {
      let panels = Panels(depth: x.columns, columns: x.rows, arena: arena)
      for panel in 0..<panels.count { panels.packTransposed(x, panel: panel) }
      workers.forEachChunk(of: TileShape.blocks(weight.rows), size: 8) { range in
        for block in range {
          let first = block * TileShape.rows
          let factors = FactorRows(weight, from: first)
          for panel in 0..<panels.count {
            if panels.isWide(panel) {
              Self.forwardTile(WidePanel.self, factors, panels, panel, y, firstOutput: first)
            } else {
              Self.forwardTile(NarrowPanel.self, factors, panels, panel, y, firstOutput: first)
            }
          }
        }
      }
    }
  }

  /// Adds six outputs of the rows of a panel to `y`; the tile is transposed.
  @inline(__always)
  private static func forwardTile<Panel: PanelVector>(
    _ kind: Panel.Type, _ factors: FactorRows, _ panels: Panels, _ panel: Int, _ y: Tensor,
    firstOutput: Int
  ) {
    var tile = ProductTile<Panel>()
    tile.add(factors, panels[panel], depth: panels.depth)
    let outputs = min(TileShape.rows, y.columns - firstOutput)
    withUnsafeTemporaryAllocation(
      of: Float.self, capacity: TileShape.rows * TileShape.columns
    ) { memory in
      let values = memory.baseAddress.unsafelyUnwrapped
      tile.forEachRow { $1.store(values + $0 * Panel.columns) }
      for lane in 0..<panels.width(panel) {
        let target = y.row(panel * Panels.widest + lane) + firstOutput
        for output in 0..<outputs { target[output] += values[output * Panel.columns + lane] }
      }
    }
  }

  /// `dx = dy W`, or adds it to `dx`.
  ///
  /// - Parameters:
  ///   - dy: [N, E].
  ///   - weight: W, [E, D].
  ///   - dx: [N, D].
  ///   - accumulate: whether the product is added to what `dx` holds.
  ///   - arena: for scratch memory, released on return.
  ///   - workers: inputs are divided between them.
  package func inputGradient(
    _ dy: Tensor, weight: Tensor, into dx: Tensor, accumulate: Bool, arena: StepArena,
    workers: Workers
  ) {
    precondition(
      dy.columns == weight.rows && dx.columns == weight.columns && dy.rows == dx.rows,
      "cannot multiply [\(dy.rows), \(dy.columns)] by [\(weight.rows), \(weight.columns)]")
    guard dy.rows > 0 else { return }
    guard isDeterministic else {
      return MatrixProduct.multiply(dy, weight, into: dx, accumulate: accumulate)
    }
    // W is read once from memory, a few rows at a time, in storage order.
    arena.temporarily {
      let panels = Panels(
        depth: min(Self.depthBlock, weight.rows), columns: weight.columns, arena: arena)
      workers.forEachChunk(of: panels.count, size: 4) { range in
        for first in stride(from: 0, to: weight.rows, by: Self.depthBlock) {
          let rows = first..<min(first + Self.depthBlock, weight.rows)
          panels.pack(weight, panels: range, rows: rows)
          for panel in range {
            let accumulate = accumulate || first > 0
            if panels.isWide(panel) {
              Self.inputStrip(WidePanel.self, dy, rows, panels, panel, dx, accumulate)
            } else {
              Self.inputStrip(NarrowPanel.self, dy, rows, panels, panel, dx, accumulate)
            }
          }
        }
      }
    }
  }

  /// All rows of `dx` in the columns of a panel; each chain continues that of the rows of W before.
  @inline(__always)
  private static func inputStrip<Panel: PanelVector>(
    _ kind: Panel.Type, _ dy: Tensor, _ depth: Range<Int>, _ panels: Panels, _ panel: Int,
    _ dx: Tensor, _ accumulate: Bool
  ) {
    let output = TileOutput<Panel>(dx, column: panel * Panels.widest, width: panels.width(panel))
    for first in stride(from: 0, to: dy.rows, by: TileShape.rows) {
      var tile = accumulate ? output.load(first) : ProductTile<Panel>()
      tile.add(
        FactorRows(dy, from: first, column: depth.lowerBound), panels[panel], depth: depth.count)
      output.store(tile, first)
    }
  }

  /// `dW = sum over segments of dy^T x`, or adds it to `dW`.
  ///
  /// - Parameters:
  ///   - dy: [N, E].
  ///   - x: [N, D].
  ///   - segments: the rows of each leaf of the tree.
  ///   - dWeight: [E, D].
  ///   - accumulate: whether the sum is added to what `dWeight` holds.
  ///   - arena: for scratch memory, released on return.
  ///   - workers: outputs are divided between them.
  package func weightGradient(
    _ dy: Tensor, _ x: Tensor, segments: RowSegments, into dWeight: Tensor, accumulate: Bool,
    arena: StepArena, workers: Workers
  ) {
    precondition(
      dy.rows == x.rows && dWeight.rows == dy.columns && dWeight.columns == x.columns
        && segments.rowCount == x.rows,
      "cannot multiply [\(dy.rows), \(dy.columns)] transposed by [\(x.rows), \(x.columns)]")
    guard isDeterministic else {
      precondition(segments.count == 1, "OpenBLAS cannot sum \(segments.count) segments separately")
      return MatrixProduct.multiply(dy.transposed, x, into: dWeight, accumulate: accumulate)
    }
    arena.temporarily {
      let panels = Panels(depth: x.rows, columns: x.columns, arena: arena)
      panels.pack(x, panels: 0..<panels.count, rows: 0..<x.rows)
      let blocks = TileShape.blocks(dWeight.rows)
      let factors = arena.tensor(rows: blocks, columns: TileShape.rows * x.rows)
      let partials = arena.tensor(
        rows: blocks, columns: segments.treeDepth * TileShape.rows * TileShape.columns)
      workers.forEachChunk(of: blocks, size: 8) { range in
        for block in range {
          let first = block * TileShape.rows
          Self.packFactors(dy, from: first, into: factors.row(block))
          for panel in 0..<panels.count {
            let strip = WeightStrip(
              panels: panels, panel: panel, factors: factors.row(block),
              partials: partials.row(block), segments: segments)
            if panels.isWide(panel) {
              strip.run(WidePanel.self, into: dWeight, row: first, accumulate)
            } else {
              strip.run(NarrowPanel.self, into: dWeight, row: first, accumulate)
            }
          }
        }
      }
    }
  }

  /// Packs six neighbouring columns of `dy`, row after row; those beyond the last are zero.
  private static func packFactors(
    _ dy: Tensor, from first: Int, into target: UnsafeMutablePointer<Float>
  ) {
    let width = min(TileShape.rows, dy.columns - first)
    var next = target
    for row in 0..<dy.rows {
      let source = dy.row(row) + first
      for column in 0..<TileShape.rows { next[column] = column < width ? source[column] : 0 }
      next += TileShape.rows
    }
  }
}

/// Six rows of a weight gradient in the columns of one panel.
private struct WeightStrip {
  let panels: Panels
  let panel: Int
  let factors: UnsafePointer<Float>
  let partials: UnsafeMutablePointer<Float>
  let segments: RowSegments

  init(
    panels: Panels, panel: Int, factors: UnsafeMutablePointer<Float>,
    partials: UnsafeMutablePointer<Float>, segments: RowSegments
  ) {
    self.panels = panels
    self.panel = panel
    self.factors = UnsafePointer(factors)
    self.partials = partials
    self.segments = segments
  }

  @inline(__always)
  func run<Panel: PanelVector>(
    _ kind: Panel.Type, into dWeight: Tensor, row: Int, _ accumulate: Bool
  ) {
    let output = TileOutput<Panel>(
      dWeight, column: panel * Panels.widest, width: panels.width(panel))
    let sum = segments.count == 1 ? leaf(kind, 0) : tree(kind)
    guard accumulate else { return output.store(sum, row) }
    var tile = output.load(row)
    tile.add(sum)
    output.store(tile, row)
  }

  @inline(__always)
  private func leaf<Panel: PanelVector>(_ kind: Panel.Type, _ index: Int) -> ProductTile<Panel> {
    var tile = ProductTile<Panel>()
    let rows = segments.rows(index)
    tile.add(
      packed: factors + TileShape.rows * rows.lowerBound,
      panels[panel] + Panel.columns * rows.lowerBound, depth: rows.count)
    return tile
  }

  /// The sum over segments in the order of ``SummationTree``.
  @inline(__always)
  private func tree<Panel: PanelVector>(_ kind: Panel.Type) -> ProductTile<Panel> {
    let waiting = UnsafeMutableRawPointer(partials).assumingMemoryBound(
      to: ProductTile<Panel>.self)
    let sum = SummationTree.sum(of: segments.count, waiting: waiting) {
      leaf(kind, $0)
    } add: {
      left, right in
      var sum = left
      sum.add(right)
      return sum
    }
    return sum ?? ProductTile()
  }
}

/// A strip of columns of a matrix that tiles are loaded from and stored to.
private struct TileOutput<Panel: PanelVector> {
  private let pointer: UnsafeMutablePointer<Float>
  private let rows: Int
  private let stride: Int
  private let width: Int

  @inline(__always)
  init(_ matrix: Tensor, column: Int, width: Int) {
    pointer = matrix.pointer + column
    rows = matrix.rows
    stride = matrix.columns
    self.width = width
  }

  @inline(__always)
  func load(_ first: Int) -> ProductTile<Panel> {
    ProductTile { row(first + $0) }
  }

  @inline(__always)
  func store(_ tile: ProductTile<Panel>, _ first: Int) {
    tile.forEachRow { store($1, first + $0) }
  }

  @inline(__always)
  private func row(_ index: Int) -> Panel {
    guard index < rows else { return Panel() }
    return Panel(loading: pointer + index * stride, count: width)
  }

  @inline(__always)
  private func store(_ panel: Panel, _ index: Int) {
    guard index < rows else { return }
    panel.store(pointer + index * stride, count: width)
  }
}
