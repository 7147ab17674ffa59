import Foundation

/// The weights of one direction of a recurrence of G gates.
struct NaiveWeights {
  var input: Matrix  // [G H, D]
  var recurrent: Matrix  // [G H, H]
  var inputBias: Matrix  // [1, G H]
  var recurrentBias: Matrix  // [1, G H]

  var hidden: Int { recurrent.columns }

  /// The part of a gate of one unit that comes from x.
  func inputSum(_ gate: Int, _ unit: Int, _ x: [Double]) -> Double {
    let row = gate * hidden + unit
    return x.indices.reduce(inputBias.values[row]) { $0 + input[row, $1] * x[$1] }
  }

  /// The part of a gate of one unit that comes from the hidden state.
  func recurrentSum(_ gate: Int, _ unit: Int, _ h: [Double]) -> Double {
    let row = gate * hidden + unit
    return h.indices.reduce(recurrentBias.values[row]) { $0 + recurrent[row, $1] * h[$1] }
  }
}

/// One direction of a recurrence, one group, one step and one unit at a time.
struct NaiveRecurrence {
  enum Kind: CaseIterable {
    case lstm, gru

    var gateCount: Int { self == .lstm ? 4 : 3 }
  }

  let kind: Kind
  var weights: NaiveWeights

  /// h of every row, [N, H].
  func run(_ x: Matrix, groups: [Range<Int>], reverse: Bool) -> Matrix {
    var output = Matrix(rows: x.rows, columns: weights.hidden)
    for rows in groups {
      var h = [Double](repeating: 0, count: weights.hidden)
      var c = h
      for row in reverse ? Array(rows.reversed()) : Array(rows) {
        switch kind {
        case .lstm: (h, c) = lstmStep(x.row(row), h, c)
        case .gru: h = gruStep(x.row(row), h)
        }
        for unit in h.indices { output[row, unit] = h[unit] }
      }
    }
    return output
  }

  private func lstmStep(
    _ x: [Double], _ h: [Double], _ c: [Double]
  ) -> ([Double], [Double]) {
    func gate(_ index: Int, _ unit: Int) -> Double {
      weights.inputSum(index, unit, x) + weights.recurrentSum(index, unit, h)
    }
    var newH = h
    var newC = c
    for unit in h.indices {
      newC[unit] =
        Naive.logistic(gate(1, unit)) * c[unit] + Naive.logistic(gate(0, unit))
        * tanh(gate(2, unit))
      newH[unit] = Naive.logistic(gate(3, unit)) * tanh(newC[unit])
    }
    return (newH, newC)
  }

  private func gruStep(_ x: [Double], _ h: [Double]) -> [Double] {
    func gate(_ index: Int, _ unit: Int) -> Double {
      Naive.logistic(weights.inputSum(index, unit, x) + weights.recurrentSum(index, unit, h))
    }
    return h.indices.map { unit in
      let n = tanh(
        weights.inputSum(2, unit, x) + gate(0, unit) * weights.recurrentSum(2, unit, h))
      return (1 - gate(1, unit)) * n + gate(1, unit) * h[unit]
    }
  }
}

/// The gradient of a function of a matrix by central differences in `Double`.
///
/// With steps of 1e-5 the truncation is of the order of 1e-10 and rounding of 1e-11, far below the
/// rounding of the `Float` kernels that are compared with it.
func numericalGradient(
  at x: Matrix, step: Double = 1e-5, of function: (Matrix) -> Double
) -> Matrix {
  var gradient = x
  var moved = x
  for index in x.values.indices {
    moved.values[index] = x.values[index] + step
    let above = function(moved)
    moved.values[index] = x.values[index] - step
    let below = function(moved)
    moved.values[index] = x.values[index]
    gradient.values[index] = (above - below) / (2 * step)
  }
  return gradient
}
