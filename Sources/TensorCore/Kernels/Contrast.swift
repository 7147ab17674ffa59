import Glibc

/// The contrastive loss over all rows and modalities of each dialogue, (3) and (5).
///
/// For every anchor i with at least one positive,
/// ```
/// l_i = 1/|P_i| sum over k in P_i of -log( exp(s_ik / tau) / sum over j != i of exp(s_ij / tau) )
/// ```
/// with s the cosine. With `.sum` reduction the factor 1/|P_i| is left out. Rows never meet rows of
/// another dialogue.
package struct Contrast: BitwiseCopyable {
  /// Which other rows of a dialogue an anchor is drawn to.
  package enum Positives: BitwiseCopyable, Sendable {
    /// The rows of the same modality, (3).
    case sameModality
    /// The rows of the same utterance, (5).
    case sameUtterance
  }

  /// The least norm a vector is divided by.
  static let leastNorm: Float = 1e-8

  let positives: Positives
  let temperature: Float
  let averagesPositives: Bool
  let modalityCount: Int

  /// - Parameters:
  ///   - positives: which rows an anchor is drawn to.
  ///   - temperature: tau, above 0.
  ///   - averagesPositives: whether an anchor's terms are averaged or added.
  ///   - modalityCount: M, the number of modalities in use.
  package init(
    positives: Positives, temperature: Float, averagesPositives: Bool, modalityCount: Int
  ) {
    precondition(temperature > 0, "temperature \(temperature) is not positive")
    self.positives = positives
    self.temperature = temperature
    self.averagesPositives = averagesPositives
    self.modalityCount = modalityCount
  }

  /// What the backward pass needs of one dialogue.
  package struct Block: BitwiseCopyable {
    let unit: Tensor  // [M n, width], rows divided by their norms, modality after modality
    let norms: Tensor  // [M n, 1]
    let gradient: Tensor  // [M n, M n], the loss's derivative by each cosine
  }

  private func positiveCount(utterances: Int) -> Int {
    positives == .sameModality ? utterances - 1 : modalityCount - 1
  }

  /// Calls `body` for the positives of an anchor in ascending order.
  @inline(__always)
  private func forEachPositive(of anchor: Int, utterances: Int, _ body: (Int) -> Void) {
    let isRow = positives == .sameModality
    let step = isRow ? 1 : utterances
    var other = isRow ? anchor / utterances * utterances : anchor % utterances
    for _ in 0...positiveCount(utterances: utterances) {
      if other != anchor { body(other) }
      other &+= step
    }
  }

  /// Brings the rows of one dialogue together and divides each by its norm.
  package func makeBlock(
    rows: Range<Int>, arena: StepArena, width: Int, row source: (Int, Int) -> UnsafePointer<Float>
  ) -> Block {
    let count = modalityCount * rows.count
    let block = Block(
      unit: arena.tensor(rows: count, columns: width), norms: arena.tensor(rows: count, columns: 1),
      gradient: arena.tensor(rows: count, columns: count))
    for m in 0..<modalityCount {
      for offset in 0..<rows.count {
        let x = source(m, rows.lowerBound + offset)
        let index = m * rows.count + offset
        let norm = Elementwise.dot(x, x, count: width).squareRoot()
        block.norms.pointer[index] = norm
        let factor = 1 / max(norm, Self.leastNorm)
        let target = block.unit.row(index)
        forEachVector(count: width) { start, length in
          (SIMD8(x + start, length: length) * factor).store(target + start, length: length)
        }
      }
    }
    return block
  }

  /// The sum of l_i over the anchors of one dialogue; leaves its derivative in `block.gradient`.
  package func forward(_ block: Block, utterances: Int) -> Double {
    let count = block.unit.rows
    let positiveCount = positiveCount(utterances: utterances)
    guard positiveCount > 0 else {
      block.gradient.fill(0)
      return 0
    }
    let cosines = block.gradient
    MatrixProduct.multiply(block.unit, block.unit.transposed, into: cosines, accumulate: false)
    var sum = 0.0
    for anchor in 0..<count {
      let logits = cosines.row(anchor)
      var attraction = 0.0
      forEachPositive(of: anchor, utterances: utterances) { attraction += Double(logits[$0]) }
      let scale = averagesPositives ? 1 / Double(positiveCount) : 1
      let denominator = exponentiate(logits, count: count, anchor: anchor)
      sum +=
        scale
        * (Double(positiveCount) * log(Double(denominator)) - attraction / Double(temperature))
      differentiate(
        logits, anchor: anchor, count: count, denominator: denominator, scale: Float(scale),
        utterances: utterances)
    }
    return sum
  }

  /// Replaces cosines by `exp(s / tau)`, the anchor's own by 0, and returns their sum.
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

  /// Turns exponentials into the derivative of the anchor's terms by each cosine.
  private func differentiate(
    _ row: UnsafeMutablePointer<Float>, anchor: Int, count: Int, denominator: Float, scale: Float,
    utterances: Int
  ) {
    let positiveCount = Float(positiveCount(utterances: utterances))
    let repulsion = scale * positiveCount / (temperature * denominator)
    forEachVector(count: count) { start, length in
      (SIMD8(row + start, length: length) * repulsion).store(row + start, length: length)
    }
    let attraction = scale / temperature
    forEachPositive(of: anchor, utterances: utterances) { row[$0] -= attraction }
  }

  /// The gradient of each row of a dialogue, handed to `receive` as (modality, row, gradient).
  package func backward(
    _ block: Block, rows: Range<Int>, weight: Float, arena: StepArena,
    receive: (_ modality: Int, _ row: Int, _ gradient: UnsafePointer<Float>) -> Void
  ) {
    let width = block.unit.columns
    let dUnit = arena.tensor(rows: block.unit.rows, columns: width)
    // s is symmetric: a row enters as anchor and as other.
    MatrixProduct.multiply(block.gradient, block.unit, into: dUnit, accumulate: false)
    MatrixProduct.multiply(block.gradient.transposed, block.unit, into: dUnit, accumulate: true)
    for m in 0..<modalityCount {
      for offset in 0..<rows.count {
        let index = m * rows.count + offset
        UnitVector.backward(
          dUnit.row(index), unit: block.unit.row(index), norm: block.norms.pointer[index],
          count: width, weight: weight)
        receive(m, rows.lowerBound + offset, dUnit.row(index))
      }
    }
  }
}

/// The derivative of a division by the norm.
enum UnitVector {
  /// Turns the gradient of `u = x / max(|x|, 1e-8)` into the gradient of x, in place.
  static func backward(
    _ gradient: UnsafeMutablePointer<Float>, unit: UnsafePointer<Float>, norm: Float, count: Int,
    weight: Float
  ) {
    let isClamped = norm < Contrast.leastNorm
    let radial = isClamped ? 0 : Elementwise.dot(gradient, unit, count: count)
    let factor = weight / max(norm, Contrast.leastNorm)
    forEachVector(count: count) { start, length in
      let tangential = SIMD8(gradient + start, length: length)
        .adding(SIMD8(unit + start, length: length), times: SIMD8(repeating: -radial))
      (tangential * factor).store(gradient + start, length: length)
    }
  }
}
