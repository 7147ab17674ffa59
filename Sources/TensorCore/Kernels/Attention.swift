/// Scaled dot-product attention of every row over the rows of its own group.
///
/// ```
/// P = softmax(Q K^T / sqrt(width of a head)),  Y = P V        for each group and head
/// ```
package enum Attention {
  /// The part of a packed tensor that belongs to one group and one head.
  private static func block(
    _ tensor: Tensor, rows: Range<Int>, head: Int, headWidth: Int
  ) -> MatrixBlock {
    MatrixBlock(
      tensor.row(rows.lowerBound) + head * headWidth, rows: rows.count, columns: headWidth,
      stride: tensor.columns)
  }

  /// The number of floats that the attention weights of all groups take.
  package static func weightCount(_ groups: RowGroups, headCount: Int) -> Int {
    var count = 0
    for group in 0..<groups.count {
      count += groups.rows(of: group).count * groups.rows(of: group).count
    }
    return headCount * count
  }

  /// - Parameters:
  ///   - q: queries, [N, width].
  ///   - k: keys, [N, width].
  ///   - v: values, [N, width].
  ///   - groups: the rows that attend to one another.
  ///   - headCount: divides the width.
  ///   - weights: receives P, ``weightCount(_:headCount:)`` floats.
  ///   - y: result, [N, width].
  package static func forward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, groups: RowGroups, headCount: Int,
    weights: UnsafeMutablePointer<Float>, into y: Tensor
  ) {
    precondition(
      q.hasShape(of: k) && q.hasShape(of: v) && q.hasShape(of: y), "shapes differ")
    precondition(q.columns % headCount == 0, "\(headCount) heads do not divide \(q.columns)")
    let headWidth = q.columns / headCount
    let scale = 1 / Float(headWidth).squareRoot()
    forEachBlock(groups, headCount, weights) { rows, head, p in
      let qBlock = block(q, rows: rows, head: head, headWidth: headWidth)
      let kBlock = block(k, rows: rows, head: head, headWidth: headWidth)
      MatrixProduct.multiply(
        qBlock, kBlock.transposed, into: p, accumulate: false, scale: scale)
      Classification.softmaxForward(p, into: p)
      MatrixProduct.multiply(
        p, block(v, rows: rows, head: head, headWidth: headWidth),
        into: block(y, rows: rows, head: head, headWidth: headWidth), accumulate: false)
    }
  }

  /// Writes the gradients of queries, keys and values.
  package static func backward(
    _ dy: Tensor, _ q: Tensor, _ k: Tensor, _ v: Tensor, groups: RowGroups, headCount: Int,
    weights: UnsafeMutablePointer<Float>, into dq: Tensor, _ dk: Tensor, _ dv: Tensor,
    arena: StepArena
  ) {
    let headWidth = q.columns / headCount
    let scale = 1 / Float(headWidth).squareRoot()
    forEachBlock(groups, headCount, weights) { rows, head, p in
      func part(_ tensor: Tensor) -> MatrixBlock {
        block(tensor, rows: rows, head: head, headWidth: headWidth)
      }
      let dp = arena.tensor(rows: rows.count, columns: rows.count)
      MatrixProduct.multiply(
        p.transposed, part(dy), into: part(dv), accumulate: false)
      MatrixProduct.multiply(part(dy), part(v).transposed, into: dp, accumulate: false)
      Classification.softmaxBackward(dp, output: p, into: dp, accumulate: false)
      MatrixProduct.multiply(
        dp, part(k), into: part(dq), accumulate: false, scale: scale)
      MatrixProduct.multiply(
        dp.transposed, part(q), into: part(dk), accumulate: false, scale: scale)
    }
  }

  private static func forEachBlock(
    _ groups: RowGroups, _ headCount: Int, _ weights: UnsafeMutablePointer<Float>,
    _ body: (_ rows: Range<Int>, _ head: Int, _ p: Tensor) -> Void
  ) {
    var next = weights
    for group in 0..<groups.count {
      let rows = groups.rows(of: group)
      for head in 0..<headCount {
        body(rows, head, Tensor(next, rows: rows.count, columns: rows.count))
        next += rows.count * rows.count
      }
    }
  }
}
