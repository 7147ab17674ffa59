import TensorCore

extension Tape {
  /// Concatenates the columns of tensors with the same number of rows.
  ///
  /// - Parameter parts: [N, w_i] each.
  /// - Returns: [N, sum of w_i].
  package func concatenateColumns(_ parts: VariableList) -> Variable {
    let width = parts.reduce(0) { $0 + $1.value.columns }
    let space = commonSpace(parts)
    let whole =
      parts.allSatisfy(\.isConstant)
      ? makeConstant(rows: parts[0].value.rows, columns: width, in: space)
      : makeVariable(rows: parts[0].value.rows, columns: width, in: space)
    var first = 0
    for part in parts {
      Elementwise.insertColumns(part.value, into: whole.value, first: first)
      first += part.value.columns
    }
    record(ConcatenateOperation(parts: parts, whole: whole))
    return whole
  }

  /// `y = factors[row] x`, where the factors are constant.
  ///
  /// - Parameters:
  ///   - x: [N, width].
  ///   - factors: [N, 1], constant.
  package func scaleRows(_ x: Variable, by factors: Tensor) -> Variable {
    let y = makeVariable(like: x)
    Elementwise.scaleRows(x.value, by: factors, into: y.value, accumulate: false)
    record(ScaleRowsOperation(x: x, y: y, factors: factors))
    return y
  }

  /// `y = sum over i of weights_i[row] values_i`.
  ///
  /// - Parameters:
  ///   - values: [N, width] each.
  ///   - weights: [N, 1] each; nil for weights of 1.
  package func weightedSum(_ values: VariableList, weights: VariableList?) -> Variable {
    let space = commonSpace(commonSpace(values), weights.flatMap { commonSpace($0) })
    let y = makeVariable(
      rows: values[0].value.rows, columns: values[0].value.columns, in: space)
    for (index, x) in values.enumerated() {
      if let weights {
        Elementwise.scaleRows(
          x.value, by: weights[index].value, into: y.value, accumulate: index > 0)
      } else {
        Elementwise.add(x.value, into: y.value, accumulate: index > 0)
      }
    }
    record(WeightedSumOperation(values: values, weights: weights, y: y))
    return y
  }

  /// The mean of tensors of equal shape, element by element.
  ///
  /// - Parameter values: [N, width] each.
  package func mean(_ values: VariableList) -> Variable {
    let y = makeVariable(
      rows: values[0].value.rows, columns: values[0].value.columns, in: commonSpace(values))
    let scale = 1 / Float(values.count)
    for (index, x) in values.enumerated() {
      Elementwise.add(x.value, into: y.value, accumulate: index > 0, scale: scale)
    }
    record(MeanOperation(values: values, y: y))
    return y
  }
}

private struct ConcatenateOperation: Operation {
  let parts: VariableList
  let whole: Variable

  func backward(on tape: Tape) {
    guard let dWhole = whole.gradient else { return }
    var first = 0
    for part in parts {
      tape.contribute(to: part) { dPart, accumulate in
        Elementwise.extractColumns(dWhole, first: first, into: dPart, accumulate: accumulate)
      }
      first += part.value.columns
    }
  }
}

private struct ScaleRowsOperation: Operation {
  let x: Variable
  let y: Variable
  let factors: Tensor

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    tape.contribute(to: x) { dx, accumulate in
      Elementwise.scaleRows(dy, by: factors, into: dx, accumulate: accumulate)
    }
  }
}

private struct WeightedSumOperation: Operation {
  let values: VariableList
  let weights: VariableList?
  let y: Variable

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    for (index, x) in values.enumerated() {
      tape.contribute(to: x) { dx, accumulate in
        if let weights {
          Elementwise.scaleRows(dy, by: weights[index].value, into: dx, accumulate: accumulate)
        } else {
          Elementwise.add(dy, into: dx, accumulate: accumulate)
        }
      }
      guard let weights else { continue }
      tape.contribute(to: weights[index]) { dWeight, accumulate in
        Elementwise.dotRows(dy, x.value, into: dWeight, accumulate: accumulate)
      }
    }
  }
}

private struct MeanOperation: Operation {
  let values: VariableList
  let y: Variable

  func backward(on tape: Tape) {
    guard let dy = y.gradient else { return }
    for x in values {
      tape.contribute(to: x) { dx, accumulate in
        Elementwise.add(dy, into: dx, accumulate: accumulate, scale: 1 / Float(values.count))
      }
    }
  }
}
