import TensorCore

/// One use of a parameter whose gradient is a sum over rows.
struct ParameterUse: BitwiseCopyable {
  /// What is summed over the rows.
  enum Term: BitwiseCopyable {
    /// The outer product of a row of dy and a row of x, [out, in].
    case product(x: Tensor)
    /// A row of dy times a row of the normalised input, element by element, [1, width].
    case scaledRow(normalized: Tensor)
    /// A row of dy, [1, width].
    case row
    /// A row of dy in row `ids[row]` of a table, [V, width].
    case lookup(ids: UnsafeBufferPointer<Int>)
  }

  /// dy, [N, out].
  let outputGradient: Tensor
  /// The N rows of each micro-batch.
  let segments: RowSegments
  let term: Term
  /// The next use in the order of the forward pass.
  var next: UnsafeMutablePointer<ParameterUse>?
}

/// The gradients of parameters.
///
/// A parameter may be used several times in a pass. If the gradient of each use were summed over
/// the micro-batches before the uses are added up, its bits would depend on which micro-batches are
/// in a pass. So the sum is deferred until the backward pass has reached all uses. Then the rows of
/// each micro-batch are summed in one chain, those of the first use before those of the second, and
/// the sums of the micro-batches are added in their tree. The uses may be in different row spaces,
/// as when tokens and utterances share a weight: a micro-batch then has rows of both.
extension Tape {
  /// Counts a use of a parameter while the forward pass is recorded.
  ///
  /// Every counted use must be reported once by ``contributeUse(of:outputGradient:in:_:)``.
  func countUse(of parameter: Variable) {
    precondition(parameter.space == nil, "rows of a space cannot serve as a parameter")
    guard isRecording, let slot = parameter.slot else { return }
    if slot.pointee.pass != pass {
      // The last pass may have been recorded without a backward pass.
      slot.pointee.pass = pass
      slot.pointee.pendingUseCount = 0
      slot.pointee.reachedUses = nil
    }
    slot.pointee.pendingUseCount += 1
  }

  /// Reports a counted use of a parameter, and contributes the gradient if no other is pending.
  ///
  /// Uses must be reported in the reverse order of the forward pass.
  ///
  /// - Parameters:
  ///   - parameter: a weight, a bias or a scale.
  ///   - dy: the gradient of the output, [N, out], or nil where no loss depends on it.
  ///   - space: the space of the N rows.
  ///   - term: what is summed over the rows of `dy`.
  func contributeUse(
    of parameter: Variable, outputGradient dy: Tensor?, in space: RowSpace?,
    _ term: @autoclosure () -> ParameterUse.Term
  ) {
    guard let slot = parameter.slot else { return }
    precondition(slot.pointee.pendingUseCount > 0, "a use of a parameter was not counted")
    slot.pointee.pendingUseCount -= 1
    let isLast = slot.pointee.pendingUseCount == 0
    let reached = slot.pointee.reachedUses
    guard let dy else {
      if isLast, let reached { contribute(to: parameter, uses: reached.pointee) }
      return
    }
    let use = ParameterUse(
      outputGradient: dy, segments: segments(ofRows: dy.rows, in: space), term: term(),
      next: reached)
    if isLast {
      contribute(to: parameter, uses: use)
    } else {
      slot.pointee.reachedUses = arena.store(use)
    }
  }

  private func contribute(to parameter: Variable, uses first: ParameterUse) {
    parameter.slot?.pointee.reachedUses = nil
    contribute(to: parameter) { gradient, accumulate in
      guard first.next != nil else {
        return sum(first, into: gradient, accumulate: accumulate)
      }
      arena.temporarily { sum(join(first), into: gradient, accumulate: accumulate) }
    }
  }

  private func sum(_ use: ParameterUse, into gradient: Tensor, accumulate: Bool) {
    let (dy, segments) = (use.outputGradient, use.segments)
    switch use.term {
    case .product(let x):
      precondition(
        !accumulate || segments.count == 1,
        "the gradient of a weight cannot be added to another sum over micro-batches")
      products.weightGradient(
        dy, x, segments: segments, into: gradient, accumulate: accumulate, arena: arena,
        workers: workers)
    case .scaledRow(let normalized):
      Normalization.scaleGradient(
        dy, normalized: normalized, segments: segments, into: gradient, accumulate: accumulate)
    case .row:
      Elementwise.sumRows(dy, segments: segments, into: gradient, accumulate: accumulate)
    case .lookup(let ids):
      Lookup.backward(
        dy, ids: ids, segments: segments, into: gradient, accumulate: accumulate, arena: arena)
    }
  }

  /// The number of rows of all uses in each micro-batch, as offsets.
  private func joinedSegments(_ first: ParameterUse) -> RowSegments {
    let count = first.segments.count
    let offsets = arena.allocate(Int.self, count: count + 1)
    offsets.initialize(repeating: 0)
    first.forEach { use in
      precondition(
        use.segments.count == count,
        "a parameter is used on \(count) and on \(use.segments.count) micro-batches")
      for index in 0...count { offsets[index] += use.segments.offsets[index] }
    }
    return RowSegments(offsets: UnsafeBufferPointer(offsets))
  }

  /// One use with the rows of all, in each micro-batch those of the first use first.
  private func join(_ first: ParameterUse) -> ParameterUse {
    let joined = joinedSegments(first)
    let count = joined.rowCount
    let dy = arena.tensor(rows: count, columns: first.outputGradient.columns)
    let term = makeTerm(first, count: count)
    for segment in 0..<joined.count {
      var next = joined.rows(segment).lowerBound
      first.forEach { use in
        let rows = use.segments.rows(segment)
        let target = next..<next + rows.count
        dy.rows(target).copy(from: use.outputGradient.rows(rows))
        use.term.copy(rows, into: term, target)
        next = target.upperBound
      }
    }
    return ParameterUse(outputGradient: dy, segments: joined, term: term, next: nil)
  }

  /// A term for the rows of several uses, with uninitialised memory.
  private func makeTerm(_ first: ParameterUse, count: Int) -> ParameterUse.Term {
    var term = first.term
    // If one use scales its rows, the joined term scales all rows, the others by one.
    first.forEach { if case .scaledRow = $0.term, case .row = term { term = $0.term } }
    switch term {
    case .product(let x): return .product(x: arena.tensor(rows: count, columns: x.columns))
    case .scaledRow(let normalized):
      return .scaledRow(normalized: arena.tensor(rows: count, columns: normalized.columns))
    case .row: return .row
    case .lookup: return .lookup(ids: UnsafeBufferPointer(arena.allocate(Int.self, count: count)))
    }
  }
}

extension ParameterUse {
  /// Visits this use and those after it.
  fileprivate func forEach(_ body: (ParameterUse) -> Void) {
    body(self)
    var following = next
    while let use = following {
      body(use.pointee)
      following = use.pointee.next
    }
  }
}

extension ParameterUse.Term {
  /// Copies some rows of this term into rows `target` of a joined term.
  fileprivate func copy(_ rows: Range<Int>, into joined: Self, _ target: Range<Int>) {
    switch (self, joined) {
    case (.product(let source), .product(let copy)),
      (.scaledRow(let source), .scaledRow(let copy)):
      copy.rows(target).copy(from: source.rows(rows))
    case (.row, .scaledRow(let copy)):
      // A product with one has the bits of the row.
      copy.rows(target).fill(1)
    case (.row, .row): break
    case (.lookup(let source), .lookup(let copy)):
      let memory = UnsafeMutableBufferPointer(mutating: copy)
      for (from, to) in zip(rows, target) { memory.initializeElement(at: to, to: source[from]) }
    default: preconditionFailure("a parameter is used by operations of different kinds")
    }
  }
}
