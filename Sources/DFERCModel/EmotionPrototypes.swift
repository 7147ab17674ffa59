import Autograd
import NeuralNet
import TensorCore

/// The emotion prototypes and their running sums, (18).
///
/// The running buffers are the sum S_k of all aligned features with label k, `prototype_sums` [K,
/// width], and their number N_k, `counts` [K]; the prototype is R_k = S_k / N_k, and 0 where N_k is
/// 0.
struct EmotionPrototypes: Sendable {
  let layout: RunningBufferLayout
  private let sums: RunningBufferID<Double>
  private let counts: RunningBufferID<Int64>
  private let mean: RunningBufferLayout.Mean
  private let emotionCount: Int
  private let width: Int

  /// Declares the running buffers; they stay zero with an ablation that has no prototypes.
  init(_ shape: DFERCShape) {
    var layout = RunningBufferLayout(isPersistent: shape.hasPrototypes)
    emotionCount = shape.emotionCount
    width = shape.options.alignmentWidth
    sums = layout.declare("prototype_sums", shape: [emotionCount, width], of: Double.self)
    counts = layout.declare("counts", shape: [emotionCount], of: Int64.self)
    mean = layout.declareMean("prototypes", of: sums, over: counts)
    self.layout = layout
  }

  /// Stages S and N plus the sums and counts of a global batch.
  ///
  /// - Parameters:
  ///   - aligned: x_m, [N, width] each.
  ///   - labels: the emotion of every row.
  ///   - sum: computes sums over the global batch.
  func stage(
    _ aligned: VariableList, labels: UnsafeBufferPointer<Int>, sum: any GlobalSum, _ pass: Pass
  ) throws {
    let sumCount = emotionCount * width
    let batch = try sum.sum(count: sumCount + emotionCount) { rows, buffer in
      let labels = UnsafeBufferPointer(rebasing: labels[rows])
      for x in aligned {
        ClassSums.add(x.value.rows(rows), labels: labels, into: buffer)
      }
      for label in labels { buffer[sumCount + label] += Double(aligned.count) }
    }
    let (committedSums, committedCounts) = (pass.buffers[sums], pass.buffers[counts])
    let (stagedSums, stagedCounts) = (pass.buffers.staged(sums), pass.buffers.staged(counts))
    for index in committedSums.indices { stagedSums[index] = committedSums[index] + batch[index] }
    for k in committedCounts.indices {
      stagedCounts[k] = committedCounts[k] + Int64(batch[sumCount + k])
    }
  }

  /// R of the staged S and N, [K, width].
  func staged(_ pass: Pass) -> Tensor { pass.buffers.staged(mean, arena: pass.tape.arena) }
}
