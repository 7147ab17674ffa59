import TensorCore

extension Tape {
  /// `y_i = x_i W^T + b` for several tensors that share a weight, with b constant.
  ///
  /// The gradient of a weight that is used once for each tensor would be summed over micro-batches
  /// before the tensors are added up. Here it is summed over all tensors within a micro-batch first,
  /// so that its bits do not depend on which micro-batches stand in a pass.
  ///
  /// - Parameters:
  ///   - xs: [N, in] each.
  ///   - weight: W, [out, in].
  ///   - bias: b, [1, out].
  /// - Returns: y_i, [N, out] each.
  package func linear(_ xs: VariableList, sharing weight: Variable, bias: Tensor) -> VariableList {
    let ys = list(count: xs.count) { index in
      let x = xs[index].value
      let y = makeVariable(rows: x.rows, columns: weight.value.rows)
      Elementwise.broadcastRow(bias, into: y.value)
      products.addForward(x, weight: weight.value, into: y.value, arena: arena, workers: workers)
      return y
    }
    record(SharedLinearOperation(xs: xs, weight: weight, ys: ys))
    return ys
  }
}

private struct SharedLinearOperation: Operation {
  let xs: VariableList
  let weight: Variable
  let ys: VariableList

  func backward(on tape: Tape) {
    contributeWeight(on: tape)
    for (x, y) in zip(xs, ys) {
      guard let dy = y.gradient else { continue }
      tape.contributeInput(x, outputGradient: dy, weight: weight.value)
    }
  }

  private func contributeWeight(on tape: Tape) {
    let rows = xs[0].value.rows
    let segments = tape.segments(ofRows: rows)
    let count = xs.count
    let x = tape.arena.tensor(rows: count * rows, columns: weight.value.columns)
    let dy = tape.arena.zeros(rows: count * rows, columns: weight.value.rows)
    for segment in 0..<segments.count {
      let part = segments.rows(segment)
      for index in 0..<count {
        let first = count * part.lowerBound + index * part.count
        let target = first..<first + part.count
        x.rows(target).copy(from: xs[index].value.rows(part))
        if let gradient = ys[index].gradient {
          dy.rows(target).copy(from: gradient.rows(part))
        }
      }
    }
    tape.contribute(to: weight) { dWeight, accumulate in
      tape.products.weightGradient(
        dy, x, segments: segments.repeated(count, arena: tape.arena), into: dWeight,
        accumulate: accumulate, arena: tape.arena, workers: tape.workers)
    }
  }
}
