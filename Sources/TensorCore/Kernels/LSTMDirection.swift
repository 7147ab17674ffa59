/// One direction of a long short-term memory over packed groups of rows, forward and backward.
///
/// ```
/// [i f g o] = x W_ih^T + b_ih + h' W_hh^T + b_hh      i, f, o through sigmoid, g through tanh
/// c = f c' + i g
/// h = o tanh(c)
/// ```
/// with h' and c' of the step before, zero at the first. The layout of the weights and the order of
/// the gates are those of PyTorch's `nn.LSTM`. N rows, D input width, H hidden width.
package struct LSTMDirection: RecurrentDirection {
  /// i, f, g and o.
  package static let gateCount = 4

  let order: TimeMajor
  let rows: UnsafeMutableBufferPointer<Int>
  let gates: Tensor  // [N, 4H]: sums, then activations, then in the backward pass their gradients
  let cells: Tensor  // [N, H]
  let cellTangents: Tensor  // [N, H], tanh(c)
  let hidden: Tensor  // [N, H]
  let scratch: Tensor  // [2 widest step, H]: the gradients of h' and c' from step to step

  private var hiddenWidth: Int { hidden.columns }

  package init(reverse: Bool, order: TimeMajor, hiddenWidth: Int, arena: StepArena) {
    self.order = order
    rows = reverse ? order.reverseRows : order.forwardRows
    let count = order.rowCount
    gates = arena.tensor(rows: count, columns: Self.gateCount * hiddenWidth)
    cells = arena.tensor(rows: count, columns: hiddenWidth)
    cellTangents = arena.tensor(rows: count, columns: hiddenWidth)
    hidden = arena.tensor(rows: count, columns: hiddenWidth)
    let widest = order.stepCount == 0 ? 0 : order.positions(of: 0).count
    scratch = arena.tensor(rows: 2 * widest, columns: hiddenWidth)
  }

  package func projectInputs(
    _ x: Tensor, _ weights: RecurrentTensors, products: LinearProducts, arena: StepArena,
    workers: Workers
  ) {
    check(weights, hiddenWidth: hiddenWidth)
    arena.temporarily {
      let packed = arena.tensor(rows: gates.rows, columns: gates.columns)
      Elementwise.broadcastRow(weights.inputBias, into: packed)
      for row in 0..<packed.rows {
        Elementwise.add(
          weights.recurrentBias, into: packed.rows(row..<row + 1), accumulate: true)
      }
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
          hidden.rows(order.precedingPositions(of: step)), into: gates.rows(positions),
          accumulate: true)
      }
      for offset in 0..<positions.count {
        let previous = step == 0 ? nil : cells.row(order.starts[step - 1] + offset)
        activate(positions.lowerBound + offset, previousCell: previous)
      }
    }
    TimeMajor.scatter(hidden, rows: rows, into: output, firstColumn: firstColumn)
  }

  private func activate(_ row: Int, previousCell: UnsafeMutablePointer<Float>?) {
    let width = hiddenWidth
    let gate = gates.row(row)
    let cell = cells.row(row)
    let tangent = cellTangents.row(row)
    let output = hidden.row(row)
    forEachVector(count: width) { start, length in
      let i = SIMD8(gate + start, length: length).logistic
      let f = SIMD8(gate + width + start, length: length).logistic
      let g = SIMD8(gate + 2 * width + start, length: length).hyperbolicTangent
      let o = SIMD8(gate + 3 * width + start, length: length).logistic
      var c = i * g
      if let previousCell { c = c.adding(f, times: SIMD8(previousCell + start, length: length)) }
      let t = c.hyperbolicTangent
      i.store(gate + start, length: length)
      f.store(gate + width + start, length: length)
      g.store(gate + 2 * width + start, length: length)
      o.store(gate + 3 * width + start, length: length)
      c.store(cell + start, length: length)
      t.store(tangent + start, length: length)
      (o * t).store(output + start, length: length)
    }
  }

  package func backward(
    _ outputGradient: Tensor, packedRecurrent: PanelMatrix, firstColumn: Int
  ) {
    guard order.stepCount > 0 else { return }
    let widest = order.positions(of: 0).count
    let hiddenCarry = scratch.rows(0..<widest)
    let cellCarry = scratch.rows(widest..<2 * widest)
    scratch.fill(0)
    for step in (0..<order.stepCount).reversed() {
      let positions = order.positions(of: step)
      for offset in 0..<positions.count {
        let row = positions.lowerBound + offset
        differentiate(
          row, outputGradient: outputGradient.row(rows[row]) + firstColumn,
          hiddenCarry: hiddenCarry.row(offset), cellCarry: cellCarry.row(offset),
          previousCell: step == 0 ? nil : cells.row(order.starts[step - 1] + offset))
      }
      if step > 0 {
        packedRecurrent.multiply(
          gates.rows(positions), into: hiddenCarry.rows(0..<positions.count), accumulate: false)
      }
    }
  }

  private func differentiate(
    _ row: Int, outputGradient: UnsafePointer<Float>, hiddenCarry: UnsafePointer<Float>,
    cellCarry: UnsafeMutablePointer<Float>, previousCell: UnsafeMutablePointer<Float>?
  ) {
    let width = hiddenWidth
    let gate = gates.row(row)
    let tangent = cellTangents.row(row)
    let one = SIMD8<Float>(repeating: 1)
    forEachVector(count: width) { start, length in
      let i = SIMD8(gate + start, length: length)
      let f = SIMD8(gate + width + start, length: length)
      let g = SIMD8(gate + 2 * width + start, length: length)
      let o = SIMD8(gate + 3 * width + start, length: length)
      let t = SIMD8(tangent + start, length: length)
      let dh =
        SIMD8(outputGradient + start, length: length) + SIMD8(hiddenCarry + start, length: length)
      let dc = SIMD8(cellCarry + start, length: length).adding(dh * o, times: one - t * t)
      let before =
        previousCell.map { SIMD8($0 + start, length: length) } ?? SIMD8<Float>(repeating: 0)
      (dc * g * i * (one - i)).store(gate + start, length: length)
      (dc * before * f * (one - f)).store(gate + width + start, length: length)
      (dc * i * (one - g * g)).store(gate + 2 * width + start, length: length)
      (dh * t * o * (one - o)).store(gate + 3 * width + start, length: length)
      (dc * f).store(cellCarry + start, length: length)
    }
  }

  package func gateGradients(arena: StepArena) -> (input: Tensor, recurrent: Tensor) {
    let packed = arena.tensor(rows: gates.rows, columns: gates.columns)
    TimeMajor.scatter(gates, rows: rows, into: packed)
    return (packed, packed)
  }

  package func precedingHidden(arena: StepArena) -> Tensor {
    order.precedingRows(of: hidden, rows: rows, arena: arena)
  }
}
