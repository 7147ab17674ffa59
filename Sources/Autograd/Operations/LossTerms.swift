import TensorCore

// Operations that end in a part of the loss. Each returns a sum over the rows of each micro-batch as
// `Double` and takes `weight`, the derivative of the whole loss by those sums.

extension Tape {
  /// The sum over rows of the cross-entropy between logits and labels, (13) and (24).
  ///
  /// - Parameters:
  ///   - logits: [N, K].
  ///   - labels: the true class of every row, 0 ..< K.
  ///   - weight: the derivative of the loss by the sum.
  /// - Returns: the sums, and the softmax of the logits, [N, K].
  package func crossEntropy(
    _ logits: Variable, labels: UnsafeBufferPointer<Int>, weight: Float
  ) -> (sums: SegmentSums, probabilities: Tensor) {
    let probabilities = arena.tensor(rows: logits.value.rows, columns: logits.value.columns)
    let sums = sums(ofRows: logits.value.rows, in: logits.space) { rows in
      Classification.crossEntropyForward(
        logits.value.rows(rows), labels: UnsafeBufferPointer(rebasing: labels[rows]),
        probabilities: probabilities.rows(rows))
    }
    record(
      CrossEntropyOperation(
        logits: logits, labels: labels, weight: weight, probabilities: probabilities))
    return (sums, probabilities)
  }

  /// The sum of squared differences from a constant target, (14).
  package func squaredError(_ x: Variable, target: Tensor, weight: Float) -> SegmentSums {
    record(SquaredErrorOperation(x: x, target: target, weight: weight))
    return sums(ofRows: x.value.rows, in: x.space) { rows in
      Classification.squaredErrorForward(x.value.rows(rows), target: target.rows(rows))
    }
  }

  /// The sum over rows of `max(mean (R_label - x)^2 - margin, 0)`, (19), with R constant.
  package func prototypeMargin(
    _ x: Variable, labels: UnsafeBufferPointer<Int>, prototypes: Tensor, margin: Float,
    weight: Float
  ) -> SegmentSums {
    let isActive = arena.tensor(rows: x.value.rows, columns: 1)
    let sums = sums(ofRows: x.value.rows, in: x.space) { rows in
      Prototypes.marginForward(
        x.value.rows(rows), labels: UnsafeBufferPointer(rebasing: labels[rows]),
        prototypes: prototypes, margin: margin, isActive: isActive.rows(rows))
    }
    record(
      PrototypeMarginOperation(
        x: x, labels: labels, prototypes: prototypes, isActive: isActive, weight: weight))
    return sums
  }

  /// The sum over anchors of the contrastive loss, (3) and (5), within each group.
  ///
  /// - Parameters:
  ///   - rows: one variable for each modality, [N, width].
  ///   - contrast: positives, temperature and reduction.
  ///   - weight: the derivative of the loss by the sum.
  package func contrastive(
    _ rows: VariableList, contrast: Contrast, weight: Float
  ) -> SegmentSums {
    let space = commonSpace(rows)
    let dialogues = groups(ofRows: rows[0].value.rows, in: space)
    let blocks = arena.allocate(Contrast.Block.self, count: dialogues.count)
    let width = rows[0].value.columns
    var next = 0
    let sums = sums(ofRows: dialogues.rowCount, in: space) { segment in
      var sum = 0.0
      while next < dialogues.count, dialogues.rows(of: next).upperBound <= segment.upperBound {
        let range = dialogues.rows(of: next)
        let block = contrast.makeBlock(rows: range, arena: arena, width: width) {
          UnsafePointer(rows[$0].value.row($1))
        }
        sum += contrast.forward(block, utterances: range.count)
        blocks.initializeElement(at: next, to: block)
        next += 1
      }
      return sum
    }
    record(
      ContrastiveOperation(
        rows: rows, dialogues: dialogues, contrast: contrast, blocks: blocks, weight: weight))
    return sums
  }

  /// The inner product with a constant, `sum of x * direction`: the loss of a gradient check.
  package func projection(_ x: Variable, onto direction: Tensor) -> Double {
    precondition(x.value.hasShape(of: direction), "shapes differ")
    record(ProjectionOperation(x: x, direction: direction))
    var sum = 0.0
    for index in 0..<x.value.count {
      sum += Double(x.value.pointer[index]) * Double(direction.pointer[index])
    }
    return sum
  }
}

private struct CrossEntropyOperation: Operation {
  let logits: Variable
  let labels: UnsafeBufferPointer<Int>
  let weight: Float
  let probabilities: Tensor

  func backward(on tape: Tape) {
    tape.contribute(to: logits) { gradient, accumulate in
      Classification.crossEntropyBackward(
        probabilities, labels: labels, weight: weight, into: gradient, accumulate: accumulate)
    }
  }
}

private struct SquaredErrorOperation: Operation {
  let x: Variable
  let target: Tensor
  let weight: Float

  func backward(on tape: Tape) {
    tape.contribute(to: x) { dx, accumulate in
      Classification.squaredErrorBackward(
        x.value, target: target, weight: weight, into: dx, accumulate: accumulate)
    }
  }
}

private struct PrototypeMarginOperation: Operation {
  let x: Variable
  let labels: UnsafeBufferPointer<Int>
  let prototypes: Tensor
  let isActive: Tensor
  let weight: Float

  func backward(on tape: Tape) {
    tape.contribute(to: x) { dx, accumulate in
      Prototypes.marginBackward(
        x.value, labels: labels, prototypes: prototypes, isActive: isActive, weight: weight,
        into: dx, accumulate: accumulate)
    }
  }
}

private struct ContrastiveOperation: Operation {
  let rows: VariableList
  let dialogues: RowGroups
  let contrast: Contrast
  let blocks: UnsafeMutableBufferPointer<Contrast.Block>
  let weight: Float

  func backward(on tape: Tape) {
    let gradients = tape.arena.allocate(Tensor.self, count: rows.count)
    for (modality, x) in rows.enumerated() {
      gradients.initializeElement(
        at: modality, to: tape.arena.tensor(rows: x.value.rows, columns: x.value.columns))
    }
    for index in 0..<dialogues.count {
      contrast.backward(
        blocks[index], rows: dialogues.rows(of: index), weight: weight, arena: tape.arena
      ) { modality, row, gradient in
        gradients[modality].row(row).update(from: gradient, count: gradients[modality].columns)
      }
    }
    for (modality, x) in rows.enumerated() {
      tape.contribute(to: x) { dx, accumulate in
        Elementwise.add(gradients[modality], into: dx, accumulate: accumulate)
      }
    }
  }
}

private struct ProjectionOperation: Operation {
  let x: Variable
  let direction: Tensor

  func backward(on tape: Tape) {
    tape.contribute(to: x) { dx, accumulate in
      Elementwise.add(direction, into: dx, accumulate: accumulate)
    }
  }
}
