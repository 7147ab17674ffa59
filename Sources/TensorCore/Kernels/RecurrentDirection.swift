/// The weights of one direction of a recurrence, laid out as in PyTorch.
///
/// D input width, H hidden width, G gates: 4 of an LSTM, 3 of a GRU.
package struct RecurrentTensors: BitwiseCopyable {
  let input: Tensor
  let recurrent: Tensor
  let inputBias: Tensor
  let recurrentBias: Tensor

  /// - Parameters:
  ///   - input: W_ih, [G H, D].
  ///   - recurrent: W_hh, [G H, H].
  ///   - inputBias: b_ih, [1, G H].
  ///   - recurrentBias: b_hh, [1, G H].
  package init(input: Tensor, recurrent: Tensor, inputBias: Tensor, recurrentBias: Tensor) {
    self.input = input
    self.recurrent = recurrent
    self.inputBias = inputBias
    self.recurrentBias = recurrentBias
  }
}

/// One direction of a recurrence over packed groups of rows, forward and backward.
///
/// The product of the inputs and W_ih is computed for all rows at once, that of the hidden states
/// and W_hh step by step, for all groups that have the step; see ``TimeMajor``. The backward pass
/// computes the gradients of all gates; the gradients of the weights and of x are then those of
/// linear maps.
///
/// N rows, D input width, H hidden width, G gates.
package protocol RecurrentDirection: BitwiseCopyable {
  /// G, the number of gates.
  static var gateCount: Int { get }

  /// Allocates the memory of both passes.
  ///
  /// - Parameters:
  ///   - reverse: whether each group is processed from its last row to its first.
  ///   - order: the time-major order of the groups.
  ///   - hiddenWidth: H.
  ///   - arena: for memory that the backward pass uses too.
  init(reverse: Bool, order: TimeMajor, hiddenWidth: Int, arena: StepArena)

  /// Computes the part of all gates that does not depend on hidden states.
  ///
  /// - Parameters:
  ///   - x: packed rows, [N, D].
  ///   - weights: of this direction.
  ///   - products: the kernels for the product.
  ///   - arena: for scratch memory, released on return.
  ///   - workers: gates are divided between them.
  func projectInputs(
    _ x: Tensor, _ weights: RecurrentTensors, products: LinearProducts, arena: StepArena,
    workers: Workers)

  /// Computes h for every row and writes it into columns `firstColumn ..< firstColumn + H`.
  ///
  /// - Parameters:
  ///   - packedRecurrent: W_hh transposed into panels, depth H.
  ///   - output: packed rows, at least `firstColumn + H` wide.
  ///   - firstColumn: the first column of this direction.
  func forward(packedRecurrent: PanelMatrix, into output: Tensor, firstColumn: Int)

  /// Computes the gradients of the gates from that of h.
  ///
  /// - Parameters:
  ///   - outputGradient: packed rows; this direction reads H columns from `firstColumn` on.
  ///   - packedRecurrent: W_hh as it is stored, in panels, depth G H.
  ///   - firstColumn: the first column of this direction.
  func backward(_ outputGradient: Tensor, packedRecurrent: PanelMatrix, firstColumn: Int)

  /// The gradients of the gates after ``backward(_:packedRecurrent:firstColumn:)``.
  ///
  /// - Returns: packed rows, [N, G H] each: the gradient of `x W_ih^T + b_ih` and that of
  ///   `h' W_hh^T + b_hh`, with h' the hidden state of the step before. They may be one tensor.
  func gateGradients(arena: StepArena) -> (input: Tensor, recurrent: Tensor)

  /// h', the hidden state of the step before for every row, zero at the first of a group.
  ///
  /// - Returns: packed rows, [N, H].
  func precedingHidden(arena: StepArena) -> Tensor
}

extension RecurrentDirection {
  /// Traps if the shapes of weights do not belong to a recurrence of G gates and H hidden units.
  func check(_ weights: RecurrentTensors, hiddenWidth: Int) {
    let (input, recurrent) = (weights.input, weights.recurrent)
    precondition(
      input.rows == Self.gateCount * hiddenWidth && recurrent.rows == input.rows
        && recurrent.columns == hiddenWidth,
      "weights [\(input.rows), \(input.columns)] and [\(recurrent.rows), \(recurrent.columns)] "
        + "are not those of \(Self.gateCount) gates of \(hiddenWidth) units")
  }
}
