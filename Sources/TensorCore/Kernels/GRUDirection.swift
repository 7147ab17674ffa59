/// One direction of a gated recurrent unit over packed groups of rows, forward and backward.
///
/// ```
/// a = x W_ih^T + b_ih,   b = h' W_hh^T + b_hh        each in three parts r, z, n
/// r = sigmoid(a_r + b_r)
/// z = sigmoid(a_z + b_z)
/// n = tanh(a_n + r b_n)
/// h = (1 - z) n + z h'
/// ```
/// with h' from the step before, zero at the first. The layout of the weights and the order of the
/// gates are those of PyTorch's `nn.GRU`. N rows, D input width, H hidden width.
package struct GRUDirection: RecurrentDirection {
  /// r, z and n.
  package static let gateCount = 3

  let order: TimeMajor
  let rows: UnsafeMutableBufferPointer<Int>
  let gates: Tensor  // [N, 3H]: a, then r, z and n, then the gradient of a
  let recurrent: Tensor  // [N, 3H]: b, then the gradient of b
  let hidden: Tensor  // [N, H]
  let carry: Tensor  // [widest step, H]: the gradient of h' from step to step

  private var hiddenWidth: Int { hidden.columns }

  package init(reverse: Bool, order: TimeMajor, hiddenWidth: Int, arena: StepArena) {
    self.order = order
    rows = reverse ? order.reverseRows : order.forwardRows
    let count = order.rowCount
    gates = arena.tensor(rows: count, columns: Self.gateCount * hiddenWidth)
    recurrent = arena.tensor(rows: count, columns: Self.gateCount * hiddenWidth)
    hidden = arena.tensor(rows: count, columns: hiddenWidth)
    let widest = order.stepCount == 0 ? 0 : order.positions(of: 0).count
    carry = arena.tensor(rows: widest, columns: hiddenWidth)
  }

  package func projectInputs(
    _ x: Tensor, _ weights: RecurrentTensors, products: LinearProducts, arena: StepArena,
    workers: Workers
  ) {
    check(weights, hiddenWidth: hiddenWidth)
    Elementwise.broadcastRow(weights.recurrentBias, into: recurrent)
    arena.temporarily {
      let packed = arena.tensor(rows: gates.rows, columns: gates.columns)
      Elementwise.broadcastRow(weights.inputBias, into: packed)
      products.addForward(
        x, weight: weights.input, into: packed, arena: arena, workers: workers)
      TimeMajor.gather(packed, rows: rows, into: gates)
    }
  }

  package func forward(packedRecurrent: PanelMatrix, into output: Tensor, firstColumn: Int) {
    for step in 0..<order.stepCount {
      let positions = order.positions(of: step)
      if step > 0 {
        packedRecurrent.multiply(
          hidden.rows(order.precedingPositions(of: step)), into: recurrent.rows(positions),
          accumulate: true)
      }
      for offset in 0..<positions.count {
        activate(
          positions.lowerBound + offset, previous: previousHidden(step: step, offset: offset))
      }
    }
    TimeMajor.scatter(hidden, rows: rows, into: output, firstColumn: firstColumn)
  }

  /// h' of one group of a step; nil at the first step.
  private func previousHidden(step: Int, offset: Int) -> UnsafeMutablePointer<Float>? {
    step == 0 ? nil : hidden.row(order.starts[step - 1] + offset)
  }

  private func activate(_ row: Int, previous: UnsafeMutablePointer<Float>?) {
    let width = hiddenWidth
    let gate = gates.row(row)
    let other = recurrent.row(row)
    let output = hidden.row(row)
    forEachVector(count: width) { start, length in
      let at = (r: start, z: width + start, n: 2 * width + start)
      let r = (SIMD8(gate + at.r, length: length) + SIMD8(other + at.r, length: length)).logistic
      let z = (SIMD8(gate + at.z, length: length) + SIMD8(other + at.z, length: length)).logistic
      let n = SIMD8(gate + at.n, length: length)
        .adding(r, times: SIMD8(other + at.n, length: length)).hyperbolicTangent
      let before = previous.map { SIMD8($0 + start, length: length) } ?? SIMD8(repeating: 0)
      r.store(gate + at.r, length: length)
      z.store(gate + at.z, length: length)
      n.store(gate + at.n, length: length)
      n.adding(z, times: before - n).store(output + start, length: length)
    }
  }

  package func backward(
    _ outputGradient: Tensor, packedRecurrent: PanelMatrix, firstColumn: Int
  ) {
    carry.fill(0)
    for step in (0..<order.stepCount).reversed() {
      let positions = order.positions(of: step)
      for offset in 0..<positions.count {
        let row = positions.lowerBound + offset
        differentiate(
          row, outputGradient: outputGradient.row(rows[row]) + firstColumn,
          carry: carry.row(offset), previous: previousHidden(step: step, offset: offset))
      }
      if step > 0 {
        packedRecurrent.multiply(
          recurrent.rows(positions), into: carry.rows(0..<positions.count), accumulate: true)
      }
    }
  }

  /// Replaces the gates of one row by their gradients, and the gradient of h in `carry` by that of
  /// h' without the part through W_hh.
  private func differentiate(
    _ row: Int, outputGradient: UnsafePointer<Float>, carry: UnsafeMutablePointer<Float>,
    previous: UnsafeMutablePointer<Float>?
  ) {
    let width = hiddenWidth
    let gate = gates.row(row)
    let other = recurrent.row(row)
    let one = SIMD8<Float>(repeating: 1)
    forEachVector(count: width) { start, length in
      let at = (r: start, z: width + start, n: 2 * width + start)
      let r = SIMD8(gate + at.r, length: length)
      let z = SIMD8(gate + at.z, length: length)
      let n = SIMD8(gate + at.n, length: length)
      let before = previous.map { SIMD8($0 + start, length: length) } ?? SIMD8(repeating: 0)
      let dh = SIMD8(outputGradient + start, length: length) + SIMD8(carry + start, length: length)
      let dn = dh * (one - z) * (one - n * n)
      let dz = dh * (before - n) * z * (one - z)
      let dr = dn * SIMD8(other + at.n, length: length) * r * (one - r)
      dr.store(gate + at.r, length: length)
      dr.store(other + at.r, length: length)
      dz.store(gate + at.z, length: length)
      dz.store(other + at.z, length: length)
      dn.store(gate + at.n, length: length)
      (dn * r).store(other + at.n, length: length)
      (dh * z).store(carry + start, length: length)
    }
  }

  package func gateGradients(arena: StepArena) -> (input: Tensor, recurrent: Tensor) {
    let input = arena.tensor(rows: gates.rows, columns: gates.columns)
    let recurrent = arena.tensor(rows: gates.rows, columns: gates.columns)
    TimeMajor.scatter(gates, rows: rows, into: input)
    TimeMajor.scatter(self.recurrent, rows: rows, into: recurrent)
    return (input, recurrent)
  }

  package func precedingHidden(arena: StepArena) -> Tensor {
    order.precedingRows(of: hidden, rows: rows, arena: arena)
  }
}
