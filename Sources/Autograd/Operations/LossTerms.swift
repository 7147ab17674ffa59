import TensorCore

// Operations that compute a term of the loss. Each returns a sum over the rows of each micro-batch
// as `Double` and takes `weight`, the derivative of the loss by those sums.

extension Tape {
  /// The sum over rows of the cross-entropy between logits and labels.
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

  /// The sum of squared differences from a constant target.
  ///
  /// - Parameters:
  ///   - x: [N, width].
  ///   - target: [N, width].
  ///   - weight: the derivative of the loss by the sum.
  package func squaredError(_ x: Variable, target: Tensor, weight: Float) -> SegmentSums {
    record(SquaredErrorOperation(x: x, target: target, weight: weight))
    return sums(ofRows: x.value.rows, in: x.space) { rows in
      Classification.squaredErrorForward(x.value.rows(rows), target: target.rows(rows))
    }
  }

  /// The sum over rows of `max(mean (t_label - x)^2 - margin, 0)`.
  ///
  /// - Parameters:
  ///   - x: [N, width].
  ///   - labels: the class of every row, 0 ..< K.
  ///   - targets: the vector t of each class, [K, width], constant.
  ///   - margin: the largest mean squared distance without a loss.
  ///   - weight: the derivative of the loss by the sum.
  package func marginLoss(
    _ x: Variable, labels: UnsafeBufferPointer<Int>, targets: Tensor, margin: Float,
    weight: Float
  ) -> SegmentSums {
    let isActive = arena.tensor(rows: x.value.rows, columns: 1)
    let sums = sums(ofRows: x.value.rows, in: x.space) { rows in
      MarginLoss.forward(
        x.value.rows(rows), labels: UnsafeBufferPointer(rebasing: labels[rows]),
        targets: targets, margin: margin, isActive: isActive.rows(rows))
    }
    record(
      MarginLossOperation(
        x: x, labels: labels, targets: targets, isActive: isActive, weight: weight))
    return sums
  }

  /// The sum over anchors of a contrastive loss within each group; rows of no space form one group.
  ///
  /// - Parameters:
  ///   - views: several vectors of the same rows, [N, width] each.
  ///   - loss: positives, temperature and reduction.
  ///   - weight: the derivative of the loss by the sum.
  package func contrastiveLoss(
    _ views: VariableList, _ loss: GroupContrastiveLoss, weight: Float
  ) -> SegmentSums {
    let space = commonSpace(views)
    let groups = groups(ofRows: views[0].value.rows, in: space)
    let blocks = arena.allocate(GroupContrastiveLoss.Block.self, count: groups.count)
    let width = views[0].value.columns
    var next = 0
    let sums = sums(ofRows: groups.rowCount, in: space) { segment in
      var sum = 0.0
      while next < groups.count, groups.rows(of: next).upperBound <= segment.upperBound {
        let rows = groups.rows(of: next)
        let block = loss.makeBlock(rows: rows, arena: arena, width: width) {
          UnsafePointer(views[$0].value.row($1))
        }
        sum += loss.forward(block, rows: rows.count)
        blocks.initializeElement(at: next, to: block)
        next += 1
      }
      return sum
    }
    record(
      ContrastiveOperation(
        views: views, groups: groups, loss: loss, blocks: blocks, weight: weight))
    return sums
  }

  /// The inner product with a constant, `sum of x * direction`, as the loss of a gradient check.
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

private struct MarginLossOperation: Operation {
  let x: Variable
  let labels: UnsafeBufferPointer<Int>
  let targets: Tensor
  let isActive: Tensor
  let weight: Float

  func backward(on tape: Tape) {
    tape.contribute(to: x) { dx, accumulate in
      MarginLoss.backward(
        x.value, labels: labels, targets: targets, isActive: isActive, weight: weight,
        into: dx, accumulate: accumulate)
    }
  }
}

private struct ContrastiveOperation: Operation {
  let views: VariableList
  let groups: RowGroups
  let loss: GroupContrastiveLoss
  let blocks: UnsafeMutableBufferPointer<GroupContrastiveLoss.Block>
  let weight: Float

  func backward(on tape: Tape) {
    let gradients = tape.arena.allocate(Tensor.self, count: views.count)
    for (view, x) in views.enumerated() {
      gradients.initializeElement(
        at: view, to: tape.arena.tensor(rows: x.value.rows, columns: x.value.columns))
    }
    for index in 0..<groups.count {
      loss.backward(
        blocks[index], rows: groups.rows(of: index), weight: weight, arena: tape.arena
      ) { view, row, gradient in
        gradients[view].row(row).update(from: gradient, count: gradients[view].columns)
      }
    }
    for (view, x) in views.enumerated() {
      tape.contribute(to: x) { dx, accumulate in
        Elementwise.add(gradients[view], into: dx, accumulate: accumulate)
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
