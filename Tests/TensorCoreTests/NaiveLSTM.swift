import Foundation

/// One direction of an LSTM, one dialogue, one step and one unit at a time.
struct NaiveLSTM {
  var input: Matrix  // [4H, D]
  var recurrent: Matrix  // [4H, H]
  var inputBias: Matrix  // [1, 4H]
  var recurrentBias: Matrix  // [1, 4H]

  private var hidden: Int { recurrent.columns }

  /// h of every row, [N, H].
  func run(_ x: Matrix, groups: [Range<Int>], reverse: Bool) -> Matrix {
    var output = Matrix(rows: x.rows, columns: hidden)
    for rows in groups {
      var h = [Double](repeating: 0, count: hidden)
      var c = h
      for row in reverse ? Array(rows.reversed()) : Array(rows) {
        (h, c) = step(x.row(row), h, c)
        for unit in 0..<hidden { output[row, unit] = h[unit] }
      }
    }
    return output
  }

  private func step(_ x: [Double], _ h: [Double], _ c: [Double]) -> ([Double], [Double]) {
    func gate(_ index: Int, _ unit: Int) -> Double {
      let row = index * hidden + unit
      var sum = inputBias.values[row] + recurrentBias.values[row]
      for column in x.indices { sum += input[row, column] * x[column] }
      for column in h.indices { sum += recurrent[row, column] * h[column] }
      return sum
    }
    var newH = h
    var newC = c
    for unit in 0..<hidden {
      newC[unit] =
        Naive.logistic(gate(1, unit)) * c[unit] + Naive.logistic(gate(0, unit))
        * tanh(gate(2, unit))
      newH[unit] = Naive.logistic(gate(3, unit)) * tanh(newC[unit])
    }
    return (newH, newC)
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
