import TensorCore

/// A recorded differentiable operation: its inputs, its output and the values that the backward
/// pass needs.
///
/// Operations are trivial values in the step's arena, so recording one allocates nothing on the
/// heap.
package protocol Operation: BitwiseCopyable {
  /// Adds this operation's contribution to the gradients of its inputs.
  func backward(on tape: Tape)

  /// Loads an operation of this type from the arena and runs ``backward(on:)``.
  static func runBackward(_ operation: UnsafeRawPointer, on tape: Tape)
}

extension Operation {
  /// Loads an operation of this type from the arena and runs ``backward(on:)``.
  package static func runBackward(_ operation: UnsafeRawPointer, on tape: Tape) {
    operation.assumingMemoryBound(to: Self.self).pointee.backward(on: tape)
  }
}

/// The record of one forward pass, from which the backward pass is run.
///
/// Operations are methods of the tape, declared in extensions: each computes its result at once and
/// records what the backward pass needs. The loss is not a variable: an operation that computes a
/// term of the loss returns it as `Double` and takes the derivative of the loss by that term, so
/// ``backward()`` takes no gradient.
package final class Tape {
  private struct Entry {
    let operation: UnsafeRawPointer
    let type: any Operation.Type
  }

  /// Memory for this pass.
  package let arena: StepArena
  /// The threads of this rank.
  package let workers: Workers
  /// The kernels for the products of linear maps.
  package let products: LinearProducts
  /// Whether a backward pass will follow.
  package private(set) var isRecording = true
  /// The number of this pass.
  private(set) var pass = 0
  private var entries: [Entry] = []

  /// A tape whose tensors live in `arena`.
  package init(
    arena: StepArena, workers: Workers = .single, products: LinearProducts = .reproducible
  ) {
    self.arena = arena
    self.workers = workers
    self.products = products
  }

  /// Starts a pass: clears the record and the arena, so all variables of the last pass are invalid.
  ///
  /// - Parameter recording: whether a backward pass will follow.
  package func reset(recording: Bool) {
    entries.removeAll(keepingCapacity: true)
    arena.reset()
    isRecording = recording
    pass += 1
  }

  /// An uninitialised variable, differentiated if this pass is.
  ///
  /// - Parameters:
  ///   - rows: the number of rows.
  ///   - columns: the number of columns.
  ///   - space: the space of the rows; nil if they belong to none.
  package func makeVariable(rows: Int, columns: Int, in space: RowSpace?) -> Variable {
    let slot = isRecording ? arena.store(GradientSlot()) : nil
    return Variable(arena.tensor(rows: rows, columns: columns), slot: slot, space: space)
  }

  /// An uninitialised variable for every row of `x`, in the same space.
  ///
  /// - Parameters:
  ///   - x: an input, [N, width].
  ///   - columns: the number of columns, by default that of `x`.
  package func makeVariable(like x: Variable, columns: Int? = nil) -> Variable {
    makeVariable(rows: x.value.rows, columns: columns ?? x.value.columns, in: x.space)
  }

  /// An uninitialised constant: the result of an operation on constants alone.
  func makeConstant(rows: Int, columns: Int, in space: RowSpace?) -> Variable {
    .constant(arena.tensor(rows: rows, columns: columns), in: space)
  }

  /// A list of variables.
  ///
  /// - Parameters:
  ///   - count: the number of variables.
  ///   - make: returns the variable at an index; called in ascending order.
  package func list(count: Int, _ make: (Int) throws -> Variable) rethrows -> VariableList {
    let variables = arena.allocate(Variable.self, count: count)
    for index in 0..<count { variables.initializeElement(at: index, to: try make(index)) }
    return VariableList(variables)
  }

  /// Records an operation if a backward pass will follow.
  package func record<Recorded: Operation>(_ operation: @autoclosure () -> Recorded) {
    guard isRecording else { return }
    entries.append(
      Entry(operation: UnsafeRawPointer(arena.store(operation())), type: Recorded.self))
  }

  /// Runs the backward pass: that of every recorded operation, from the last to the first.
  package func backward() {
    precondition(isRecording, "the pass was not recorded")
    for entry in entries.reversed() { entry.type.runBackward(entry.operation, on: self) }
  }

  /// Contributes to the gradient of a variable, unless it is a constant.
  ///
  /// - Parameters:
  ///   - variable: an input of an operation.
  ///   - write: writes the contribution to the gradient, or adds it if `accumulate` is true.
  package func contribute(
    to variable: Variable, _ write: (_ gradient: Tensor, _ accumulate: Bool) -> Void
  ) {
    guard let slot = variable.slot else { return }
    let pointer =
      slot.pointee.pointer
      ?? arena.tensor(rows: variable.value.rows, columns: variable.value.columns).pointer
    write(
      Tensor(pointer, rows: variable.value.rows, columns: variable.value.columns),
      slot.pointee.isWritten)
    slot.pointee.pointer = pointer
    slot.pointee.isWritten = true
  }
}
