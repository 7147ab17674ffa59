import Foundation
import TensorCore

/// A matrix of `Double`, in which the naive twins of the kernels compute.
struct Matrix: Sendable {
  let rows: Int
  let columns: Int
  var values: [Double]

  init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
    values = Array(repeating: 0, count: rows * columns)
  }

  init(_ tensor: Tensor) {
    rows = tensor.rows
    columns = tensor.columns
    values = tensor.elements.map(Double.init)
  }

  subscript(row: Int, column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  func row(_ index: Int) -> [Double] {
    Array(values[index * columns..<(index + 1) * columns])
  }

  var transposed: Matrix {
    var result = Matrix(rows: columns, columns: rows)
    for r in 0..<rows { for c in 0..<columns { result[c, r] = self[r, c] } }
    return result
  }

  /// As the kernels store it: rounded once.
  var floats: [Float] { values.map(Float.init) }

  func adding(_ other: Matrix, scale: Double = 1) -> Matrix {
    var result = self
    for index in values.indices { result.values[index] += scale * other.values[index] }
    return result
  }

  /// The inner product of all elements.
  func dot(_ other: Matrix) -> Double {
    zip(values, other.values).reduce(0) { $0 + $1.0 * $1.1 }
  }
}

/// The equations as they are printed, one element at a time, in `Double`.
enum Naive {
  static func product(_ a: Matrix, _ b: Matrix) -> Matrix {
    var result = Matrix(rows: a.rows, columns: b.columns)
    for i in 0..<a.rows {
      for j in 0..<b.columns {
        for k in 0..<a.columns { result[i, j] += a[i, k] * b[k, j] }
      }
    }
    return result
  }

  static func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  static func normalProbability(_ x: Double) -> Double { (1 + erf(x / 2.0.squareRoot())) / 2 }

  static func gelu(_ x: Double) -> Double { x * normalProbability(x) }

  static func geluDerivative(_ x: Double) -> Double {
    normalProbability(x) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
  }

  static func softmax(_ x: [Double]) -> [Double] {
    let largest = x.max() ?? 0
    let powers = x.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  static func softmaxRows(_ x: Matrix) -> Matrix {
    var result = x
    result.values = (0..<x.rows).flatMap { softmax(x.row($0)) }
    return result
  }

  static func crossEntropy(_ logits: Matrix, labels: [Int]) -> Double {
    (0..<logits.rows).reduce(0) { sum, row in
      let x = logits.row(row)
      let largest = x.max() ?? 0
      return sum + largest + log(x.reduce(0) { $0 + exp($1 - largest) }) - x[labels[row]]
    }
  }

  static func layerNorm(_ x: Matrix, gamma: Matrix, beta: Matrix, epsilon: Double) -> Matrix {
    var result = x
    for r in 0..<x.rows {
      let mean = x.row(r).reduce(0, +) / Double(x.columns)
      let variance = x.row(r).reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.columns)
      for c in 0..<x.columns {
        let hat = (x[r, c] - mean) / (variance + epsilon).squareRoot()
        result[r, c] = gamma.values[c] * hat + beta.values[c]
      }
    }
    return result
  }

  static func attention(
    _ q: Matrix, _ k: Matrix, _ v: Matrix, groups: [Range<Int>], headCount: Int
  ) -> Matrix {
    var result = Matrix(rows: q.rows, columns: q.columns)
    let width = q.columns / headCount
    for rows in groups {
      for head in 0..<headCount {
        let columns = head * width..<(head + 1) * width
        for i in rows {
          let logits = rows.map { j in
            columns.reduce(0) { $0 + q[i, $1] * k[j, $1] } / Double(width).squareRoot()
          }
          for (weight, j) in zip(softmax(logits), rows) {
            for c in columns { result[i, c] += weight * v[j, c] }
          }
        }
      }
    }
    return result
  }

  static func spanMean(_ x: Matrix, _ spans: [Range<Int>]) -> Matrix {
    var result = Matrix(rows: spans.count, columns: x.columns)
    for (span, rows) in spans.enumerated() {
      for row in rows {
        for column in 0..<x.columns { result[span, column] += x[row, column] / Double(rows.count) }
      }
    }
    return result
  }

  static func cosine(_ a: [Double], _ b: [Double]) -> Double {
    func norm(_ x: [Double]) -> Double {
      max(x.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-8)
    }
    return zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } / (norm(a) * norm(b))
  }

  /// The contrastive loss of one group; `views` holds a matrix [n, width] for each view.
  static func contrastiveLoss(
    _ views: [Matrix], sameView: Bool, temperature: Double, averages: Bool
  ) -> Double {
    var vectors: [(view: Int, row: Int, values: [Double])] = []
    for (view, x) in views.enumerated() {
      for row in 0..<x.rows { vectors.append((view, row, x.row(row))) }
    }
    var sum = 0.0
    for i in vectors.indices {
      let others = vectors.indices.filter { $0 != i }
      let positives = others.filter {
        sameView ? vectors[$0].view == vectors[i].view : vectors[$0].row == vectors[i].row
      }
      func power(_ j: Int) -> Double {
        exp(cosine(vectors[i].values, vectors[j].values) / temperature)
      }
      let denominator = others.reduce(0) { $0 + power($1) }
      let terms = positives.reduce(0) { $0 - log(power($1) / denominator) }
      if !positives.isEmpty { sum += averages ? terms / Double(positives.count) : terms }
    }
    return sum
  }

  static func margin(_ x: Matrix, labels: [Int], targets: Matrix, margin: Double) -> Double {
    (0..<x.rows).reduce(0) { sum, row in
      let squares = zip(x.row(row), targets.row(labels[row])).map { ($0 - $1) * ($0 - $1) }
      return sum + max(squares.reduce(0, +) / Double(x.columns) - margin, 0)
    }
  }
}
