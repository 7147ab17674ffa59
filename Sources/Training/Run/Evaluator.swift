import DataParallel
import DialogueData
import JobControl
import NeuralNet
import RunRecords
import StallDetection
import TensorCore

/// Scores a split: every utterance once, on one rank.
///
/// Groups of dialogues are cut from the file order independently of the ranks, counts are summed as
/// integers and losses in the fixed tree, so the scores have the same bits at every rank count.
package struct Evaluator {
  /// The scores of a split.
  package struct Scores {
    package let matrix: ConfusionMatrix
    /// The mean cross-entropy of the prediction, (24).
    package let crossEntropy: Double
  }

  private let model: any Model
  private let collective: any Collective
  private let heartbeat: Heartbeat
  private let isStopRequested: () -> Bool
  /// The group of dialogues that is being scored.
  package let loader: BatchLoader

  /// - Parameters:
  ///   - buffers: the running buffers of the model, which are only read.
  ///   - collective: the ranks that share the groups.
  ///   - workers: the threads of this rank.
  ///   - heartbeat: beats once per group.
  ///   - isStopRequested: polled between groups; true on one rank stops the evaluation on all.
  package init(
    model: any Model, parameters: Parameters, buffers: RunningBuffers,
    collective: any Collective, workers: Workers, heartbeat: Heartbeat,
    isStopRequested: @escaping () -> Bool = { false }
  ) {
    self.model = model
    self.collective = collective
    self.heartbeat = heartbeat
    self.isStopRequested = isStopRequested
    loader = BatchLoader(
      model: model, parameters: parameters, buffers: buffers, workers: workers,
      products: .reproducible)
  }

  /// An evaluator of a saved model.
  package init(_ saved: SavedModel, _ team: RankTeam) {
    self.init(
      model: saved.model, parameters: saved.parameters, buffers: saved.buffers,
      collective: team.collective, workers: team.workers, heartbeat: team.world.heartbeat)
  }

  /// Scores a split with labels; collective.
  ///
  /// - Parameter groupLimit: the largest number of groups to score; nil for all.
  /// - Returns: the scores; nil, on all ranks, if a stop was requested on one of them.
  package func score(_ split: Split, groupLimit: Int? = nil) throws -> Scores? {
    let plan = EvaluationPlan(dialogueLengths: split.dialogueLengths)
    let groups = groupLimit.map { Array(plan.groups.prefix($0)) } ?? plan.groups
    var matrix = ConfusionMatrix(classCount: model.classCount)
    // One loss for each group, then the number of ranks on which a stop was requested.
    var losses = [Double](repeating: 0, count: groups.count + 1)
    try forEachOwnGroup(groups, of: split) { index, probabilities, _ in
      for (row, label) in loader.labels.enumerated() {
        let scores = probabilities.row(row)
        matrix.record(truth: label, predicted: Self.argmax(scores, count: probabilities.columns))
        losses[index] -= Double(max(scores[label], .leastNormalMagnitude)).logarithm
      }
    }
    if isStopRequested() { losses[groups.count] = 1 }
    try matrix.withUnsafeMutableCounts { try collective.allReduceSum($0) }
    // A group is zero on all ranks but one, so this sum is exact.
    try losses.withUnsafeMutableBufferPointer { try collective.allReduceSum($0) }
    guard losses.removeLast() == 0 else { return nil }
    let total = losses.withUnsafeMutableBufferPointer { SummationTree.sum($0) }
    return Scores(matrix: matrix, crossEntropy: total / Double(max(matrix.total, 1)))
  }

  /// Runs the model over this rank's groups.
  ///
  /// - Parameter body: called with the index of a group, the probabilities [N, K] of its rows and the
  ///   prediction; ``loader`` holds the dialogues and labels.
  package func forEachOwnGroup(
    _ groups: [Range<Int>], of split: Split,
    _ body: (_ index: Int, _ probabilities: Tensor, _ prediction: Prediction) throws -> Void
  ) throws {
    let mine = RankShare.range(
      of: groups.count, rank: collective.rank, rankCount: collective.size)
    // The bits of an OpenBLAS product depend on the thread count, which may differ between ranks.
    let threads = BLASLibrary.threadCount
    BLASLibrary.setThreadCount(1)
    defer { BLASLibrary.setThreadCount(threads) }
    for index in mine where !isStopRequested() {
      heartbeat.beat()
      let loaded = loader.load(groups[index], from: split)
      let prediction = Self.predict(model, loaded.rows, loaded.pass)
      let logits = prediction.logits.value
      let probabilities = loader.tape.arena.tensor(rows: logits.rows, columns: logits.columns)
      Classification.softmaxForward(logits, into: probabilities)
      try body(index, probabilities, prediction)
    }
  }

  private static func predict(
    _ model: some Model, _ batch: UtteranceBatch, _ pass: Pass
  ) -> Prediction {
    model.forward(batch, pass).prediction
  }

  /// The index of the largest score, the first among equals.
  package static func argmax(_ scores: UnsafePointer<Float>, count: Int) -> Int {
    var best = 0
    for k in 1..<count where scores[k] > scores[best] { best = k }
    return best
  }
}
