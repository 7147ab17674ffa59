import Glibc

/// A supervised contrastive loss over several views of the rows of each group.
///
/// A view is a tensor with one vector for every row. The n rows of a group have M n vectors in M
/// views; every one is an anchor. For an anchor i with at least one positive,
/// ```
/// l_i = 1/|P_i| sum over k in P_i of -log( exp(s_ik / tau) / sum over j != i of exp(s_ij / tau) )
/// ```
/// with s the cosine, P_i the positives of i, and j all vectors of the group. The factor 1/|P_i|
/// may be left out. Vectors of different groups are never compared.
///
/// M views, N rows of all groups, n rows of one group.
package struct GroupContrastiveLoss: BitwiseCopyable {
  /// Which other vectors of a group are the positives of an anchor.
  package enum Positives: BitwiseCopyable, Sendable {
    /// The vectors of other rows in the same view.
    case sameView
    /// The vectors of the same row in other views.
    case sameRow
  }

  let positives: Positives
  let temperature: Float
  let averagesPositives: Bool
  let viewCount: Int

  /// - Parameters:
  ///   - positives: which vectors are the positives of an anchor.
  ///   - temperature: tau, above 0.
  ///   - averagesPositives: whether the terms of an anchor are averaged or added.
  ///   - viewCount: M.
  package init(
    positives: Positives, temperature: Float, averagesPositives: Bool, viewCount: Int
  ) {
    precondition(temperature > 0, "temperature \(temperature) is not positive")
    self.positives = positives
    self.temperature = temperature
    self.averagesPositives = averagesPositives
    self.viewCount = viewCount
  }

  /// What the backward pass needs of one group.
  package struct Block: BitwiseCopyable {
    let unit: Tensor  // [M n, width], vectors divided by their norms, view after view
    let norms: Tensor  // [M n, 1]
    let gradient: Tensor  // [M n, M n], the derivative of the loss by each cosine
  }

  private func positiveCount(rows: Int) -> Int {
    positives == .sameView ? rows - 1 : viewCount - 1
  }

  /// Calls `body` for the positives of an anchor in ascending order.
  @inline(__always)
  private func forEachPositive(of anchor: Int, rows: Int, _ body: (Int) -> Void) {
    let isSameView = positives == .sameView
    let step = isSameView ? 1 : rows
    var other = isSameView ? anchor / rows * rows : anchor % rows
    for _ in 0...positiveCount(rows: rows) {
      if other != anchor { body(other) }
      other &+= step
    }
  }

  /// Copies the vectors of one group into a block and divides each by its norm.
  ///
  /// - Parameters:
  ///   - rows: the n rows of the group.
  ///   - arena: for memory that the backward pass needs too.
  ///   - width: the length of a vector.
  ///   - source: returns the vector of a view and a row.
  package func makeBlock(
    rows: Range<Int>, arena: StepArena, width: Int,
    vector source: (_ view: Int, _ row: Int) -> UnsafePointer<Float>
  ) -> Block {
    let count = viewCount * rows.count
    let block = Block(
      unit: arena.tensor(rows: count, columns: width), norms: arena.tensor(rows: count, columns: 1),
      gradient: arena.tensor(rows: count, columns: count))
    for view in 0..<viewCount {
      for offset in 0..<rows.count {
        let x = source(view, rows.lowerBound + offset)
        let index = view * rows.count + offset
        let norm = Elementwise.dot(x, x, count: width).squareRoot()
        block.norms.pointer[index] = norm
        let factor = 1 / max(norm, UnitVector.leastNorm)
        let target = block.unit.row(index)
        forEachVector(count: width) { start, length in
          (SIMD8(x + start, length: length) * factor).store(target + start, length: length)
        }
      }
    }
    return block
  }

  /// The sum of l_i over the anchors of one group; leaves its derivative in `block.gradient`.
  ///
  /// - Parameters:
  ///   - block: the vectors of the group.
  ///   - rows: n.
  package func forward(_ block: Block, rows: Int) -> Double {
    let count = block.unit.rows
    let positiveCount = positiveCount(rows: rows)
    guard positiveCount > 0 else {
      block.gradient.fill(0)
      return 0
    }
    let cosines = block.gradient
    MatrixProduct.multiply(block.unit, block.unit.transposed, into: cosines, accumulate: false)
    var sum = 0.0
    for anchor in 0..<count {
      let logits = cosines.row(anchor)
      var positiveSum = 0.0
      forEachPositive(of: anchor, rows: rows) { positiveSum += Double(logits[$0]) }
      let scale = averagesPositives ? 1 / Double(positiveCount) : 1
      let denominator = exponentiate(logits, count: count, anchor: anchor)
      sum +=
        scale
        * (Double(positiveCount) * log(Double(denominator)) - positiveSum / Double(temperature))
      differentiate(
        logits, anchor: anchor, count: count, denominator: denominator, scale: Float(scale),
        rows: rows)
    }
    return sum
  }

  /// Replaces cosines by `exp(s / tau)`, that of the anchor itself by 0, and returns their sum.
  private func exponentiate(
    _ row: UnsafeMutablePointer<Float>, count: Int, anchor: Int
  ) -> Float {
    let factor = 1 / temperature
    forEachVector(count: count) { start, length in
      (SIMD8(row + start, length: length) * factor).exponential.store(row + start, length: length)
    }
    row[anchor] = 0
    var sum = SIMD8<Float>(repeating: 0)
    forEachVector(count: count) { start, length in sum += SIMD8(row + start, length: length) }
    return sum.total
  }

  /// Replaces exponentials by the derivative of the terms of an anchor by each cosine.
  private func differentiate(
    _ row: UnsafeMutablePointer<Float>, anchor: Int, count: Int, denominator: Float, scale: Float,
    rows: Int
  ) {
    let positiveCount = Float(positiveCount(rows: rows))
    let factor = scale * positiveCount / (temperature * denominator)
    forEachVector(count: count) { start, length in
      (SIMD8(row + start, length: length) * factor).store(row + start, length: length)
    }
    let positiveTerm = scale / temperature
    forEachPositive(of: anchor, rows: rows) { row[$0] -= positiveTerm }
  }

  /// Calls `receive` with the gradient of each vector of a group.
  ///
  /// - Parameters:
  ///   - block: the vectors of the group after the forward pass.
  ///   - rows: the n rows of the group.
  ///   - weight: the derivative of the loss by the sum of l_i.
  ///   - arena: for scratch memory.
  ///   - receive: stores the gradient, which is overwritten afterwards.
  package func backward(
    _ block: Block, rows: Range<Int>, weight: Float, arena: StepArena,
    receive: (_ view: Int, _ row: Int, _ gradient: UnsafePointer<Float>) -> Void
  ) {
    let width = block.unit.columns
    let dUnit = arena.tensor(rows: block.unit.rows, columns: width)
    // A vector is in the cosines of its own anchor and in those of all others.
    MatrixProduct.multiply(block.gradient, block.unit, into: dUnit, accumulate: false)
    MatrixProduct.multiply(block.gradient.transposed, block.unit, into: dUnit, accumulate: true)
    for view in 0..<viewCount {
      for offset in 0..<rows.count {
        let index = view * rows.count + offset
        UnitVector.backward(
          dUnit.row(index), unit: block.unit.row(index), norm: block.norms.pointer[index],
          count: width, weight: weight)
        receive(view, rows.lowerBound + offset, dUnit.row(index))
      }
    }
  }
}
