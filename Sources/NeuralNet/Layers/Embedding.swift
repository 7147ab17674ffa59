import Autograd
import TensorCore

/// A trained vector for each number of a vocabulary.
///
/// Parameter `<name>.weight` [V, width], uniform with mean 0 and a given standard deviation.
/// PyTorch and BERT draw from a normal distribution. Training depends on the scale of the values
/// more than on the shape of their distribution, and uniform values need no logarithm or cosine, so
/// their bits are the same with every C library.
package struct Embedding: BitwiseCopyable, Sendable {
  private let weight: ParameterID

  /// Declares the parameter.
  ///
  /// - Parameters:
  ///   - name: the first part of the name of the parameter.
  ///   - count: V, the number of vectors.
  ///   - width: the length of a vector.
  ///   - standardDeviation: of the initial values; 1 as in PyTorch's `nn.Embedding`, 0.02 in BERT.
  ///   - layout: where the parameter is declared.
  package init(
    _ name: String, count: Int, width: Int, standardDeviation: Float = 1,
    in layout: inout ParameterLayout
  ) {
    // Uniform values on ±b have the standard deviation b / sqrt 3.
    weight = layout.declare(
      "\(name).weight", shape: [count, width],
      initializer: .uniform(bound: Float(3).squareRoot() * standardDeviation), isDecayed: true)
  }

  /// - Parameters:
  ///   - ids: N numbers, 0 ..< V, which outlive the pass.
  ///   - space: the space of the N rows; nil if they belong to none.
  /// - Returns: the vectors of the numbers, [N, width].
  package func callAsFunction(
    _ ids: UnsafeBufferPointer<Int>, in space: RowSpace?, _ pass: Pass
  ) -> Variable {
    pass.tape.lookup(ids, in: pass.parameters[weight], space: space)
  }
}
