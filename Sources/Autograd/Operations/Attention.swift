import TensorCore

extension Tape {
  /// Scaled dot-product attention of every row over the rows of its group; rows of no space form
  /// one group.
  ///
  /// - Parameters:
  ///   - query: [N, width].
  ///   - key: [N, width].
  ///   - value: [N, width].
  ///   - headCount: the number of heads, which divides the width.
  /// - Returns: [N, width].
  package func attention(
    query: Variable, key: Variable, value: Variable, headCount: Int = 1
  ) -> Variable {
    precondition(
      query.value.columns % headCount == 0,
      "\(headCount) heads do not divide the width \(query.value.columns)")
    let space = commonSpace(commonSpace(query.space, key.space), value.space)
    let groups = groups(ofRows: query.value.rows, in: space)
    let y = makeVariable(rows: query.value.rows, columns: query.value.columns, in: space)
    let weights = arena.allocate(
      Float.self, count: Attention.weightCount(groups, headCount: headCount))
    guard let weights = weights.baseAddress else { return y }
    Attention.forward(
      query.value, key.value, value.value, groups: groups, headCount: headCount, weights: weights,
      into: y.value)
    record(
      AttentionOperation(
        query: query, key: key, value: value, y: y, groups: groups, headCount: headCount,
        weights: weights))
    return y
  }

  /// The attention weights of every row over the same row of several keys.
  ///
  /// ```
  /// w_m = softmax over m of (q . k_m / sqrt(width)), row by row
  /// ```
  /// - Parameters:
  ///   - query: q, [N, width].
  ///   - keys: k_m, [N, width] each.
  /// - Returns: w_m, [N, 1] each.
  package func attentionWeights(query: Variable, keys: VariableList) -> VariableList {
    let space = commonSpace(query.space, commonSpace(keys))
    let scale = 1 / Float(query.value.columns).squareRoot()
    let logits = arena.tensor(rows: query.value.rows, columns: keys.count)
    let products = arena.tensor(rows: query.value.rows, columns: 1)
    for (index, key) in keys.enumerated() {
      Elementwise.dotRows(query.value, key.value, into: products, accumulate: false, scale: scale)
      Elementwise.insertColumns(products, into: logits, first: index)
    }
    Classification.softmaxForward(logits, into: logits)
    let weights = list(count: keys.count) { index in
      let weight = makeVariable(rows: query.value.rows, columns: 1, in: space)
      Elementwise.extractColumns(logits, first: index, into: weight.value, accumulate: false)
      return weight
    }
    record(
      AttentionWeightsOperation(
        query: query, keys: keys, weights: weights, softmax: logits, scale: scale))
    return weights
  }
}

private struct AttentionOperation: Operation {
  let query: Variable
  let key: Variable
  let value: Variable
  let y: Variable
  let groups: RowGroups
  let headCount: Int
  let weights: UnsafeMutablePointer<Float>

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    // The kernel writes all three gradients; inputs may be constants, or the same variable.
    let (dq, dk, dv) = (scratch(query, tape), scratch(key, tape), scratch(value, tape))
    Attention.backward(
      dy, query.value, key.value, value.value, groups: groups, headCount: headCount,
      weights: weights, into: dq, dk, dv, arena: tape.arena)
    contribute(dq, to: query, tape)
    contribute(dk, to: key, tape)
    contribute(dv, to: value, tape)
  }

  private func scratch(_ x: Variable, _ tape: Tape) -> Tensor {
    tape.arena.tensor(rows: x.value.rows, columns: x.value.columns)
  }

  private func contribute(_ gradient: Tensor, to x: Variable, _ tape: Tape) {
    tape.contribute(to: x) { dx, accumulate in
      Elementwise.add(gradient, into: dx, accumulate: accumulate)
    }
  }
}

private struct AttentionWeightsOperation: Operation {
  let query: Variable
  let keys: VariableList
  let weights: VariableList
  let softmax: Tensor
  let scale: Float

  func backward(on tape: Tape) {
    let dLogits = tape.arena.zeros(rows: softmax.rows, columns: softmax.columns)
    for (index, weight) in weights.enumerated() {
      guard let dWeight = weight.gradient else { continue }
      Elementwise.insertColumns(dWeight, into: dLogits, first: index)
    }
    Classification.softmaxBackward(dLogits, output: softmax, into: dLogits, accumulate: false)
    let factors = tape.arena.tensor(rows: softmax.rows, columns: 1)
    for (index, key) in keys.enumerated() {
      Elementwise.extractColumns(dLogits, first: index, into: factors, accumulate: false)
      Elementwise.add(factors, into: factors, accumulate: false, scale: scale)
      tape.contribute(to: query) { dq, accumulate in
        Elementwise.scaleRows(key.value, by: factors, into: dq, accumulate: accumulate)
      }
      tape.contribute(to: key) { dk, accumulate in
        Elementwise.scaleRows(query.value, by: factors, into: dk, accumulate: accumulate)
      }
    }
  }
}
