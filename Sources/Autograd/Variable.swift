import TensorCore

/// A tensor of a computation, its row space and the slot of its gradient.
///
/// In all of Autograd, the first operation that contributes to a gradient writes it and every later
/// one adds to it. A gradient without a contribution is zero and takes no memory, so nothing is
/// cleared at the start of a step.
package struct Variable: BitwiseCopyable {
  /// The values, [rows, columns].
  package let value: Tensor
  /// The space of the rows; nil for a parameter, and for a constant of no particular rows.
  package let space: RowSpace?
  let slot: UnsafeMutablePointer<GradientSlot>?

  /// A variable whose gradient is kept in `slot`; a constant if it is nil.
  ///
  /// - Precondition: the tensor has as many rows as the space.
  package init(
    _ value: Tensor, slot: UnsafeMutablePointer<GradientSlot>?, space: RowSpace? = nil
  ) {
    if let space {
      precondition(
        value.rows == space.rowCount,
        "a tensor of \(value.rows) rows is not in a space of \(space.rowCount)")
    }
    self.value = value
    self.space = space
    self.slot = slot
  }

  /// A tensor that is not differentiated.
  ///
  /// - Parameters:
  ///   - value: the tensor, [N, width].
  ///   - space: the space of the N rows; nil if they belong to none.
  package static func constant(_ value: Tensor, in space: RowSpace? = nil) -> Variable {
    Variable(value, slot: nil, space: space)
  }

  /// Whether no gradient is collected.
  package var isConstant: Bool { slot == nil }

  /// The same variable, with the same gradient, as rows of a space.
  package func placed(in space: RowSpace) -> Variable {
    Variable(value, slot: slot, space: space)
  }

  /// The gradient, or nil where no operation has contributed to it.
  package var gradient: Tensor? {
    guard let slot, slot.pointee.isWritten, let pointer = slot.pointee.pointer else { return nil }
    return Tensor(pointer, rows: value.rows, columns: value.columns)
  }
}

/// The gradient of one variable during a pass.
package struct GradientSlot: BitwiseCopyable {
  /// Memory for the gradient; nil until the first contribution.
  package var pointer: UnsafeMutablePointer<Float>?
  /// Whether the memory holds a contribution.
  package var isWritten = false
  /// The number of the pass that ``pendingUseCount`` belongs to.
  var pass = 0
  /// The number of uses of a parameter that the backward pass has not reached yet.
  var pendingUseCount = 0
  /// The uses that it has reached, in the order of the forward pass.
  var reachedUses: UnsafeMutablePointer<ParameterUse>?

  /// A slot without a contribution.
  ///
  /// - Parameter pointer: memory that outlives the pass; nil for memory of the arena.
  package init(pointer: UnsafeMutablePointer<Float>? = nil) {
    self.pointer = pointer
  }

  /// Replaces the memory of the gradient and discards the contributions.
  ///
  /// May be called between the forward and the backward pass, because uses stay counted.
  package mutating func begin(in pointer: UnsafeMutablePointer<Float>) {
    self.pointer = pointer
    isWritten = false
  }
}

/// A list of variables in the arena, such as the views of the same rows.
package struct VariableList: BitwiseCopyable, RandomAccessCollection {
  private let variables: UnsafeMutableBufferPointer<Variable>

  init(_ variables: UnsafeMutableBufferPointer<Variable>) {
    self.variables = variables
  }

  /// The position of the first variable.
  package var startIndex: Int { 0 }

  /// The number of variables.
  package var endIndex: Int { variables.count }

  /// The variable at a position.
  package subscript(position: Int) -> Variable { variables[position] }
}
