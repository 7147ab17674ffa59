import Checkpointing
import Configuration
import JobControl
import RunRecords
import Training

/// Times how long training waits for a save, while the checkpoint is written in the background.
///
/// Every rank trains on; rank 0 saves, as a run does, into a temporary folder.
struct SaveBenchmark {
  /// What one save costs.
  struct Figures {
    /// The milliseconds in which rank 0 checks and copies the state, after the save before.
    let stallMilliseconds: Double
    /// The seconds that the thread in the background takes.
    let backgroundSeconds: Double
  }

  private static let saveCount = 3

  /// Saves several times, each time after as many steps as the save before takes; collective.
  ///
  /// - Parameters:
  ///   - state: of a model that trains.
  ///   - configuration: that it trains with.
  ///   - team: the ranks.
  ///   - step: one training step; collective.
  /// - Returns: the figures of a save on rank 0, nil elsewhere.
  static func run(
    _ state: ModelState, _ configuration: RunConfiguration, team: RankTeam,
    step: () throws -> Void
  ) throws -> Figures? {
    let saver = try team.onRootOnly("making a folder for checkpoints") {
      try Saver(state, configuration.checkpoint, team)
    }
    defer { saver?.removeFolder() }
    let save = StateSave(
      of: state, ReplicaCheck(team: team, everySteps: configuration.train.replicaCheckSteps),
      saver: saver?.saver, team: team)
    var stalls: [Double] = []
    for number in 1...saveCount {
      let start = ContinuousClock.now
      var (progress, failure) = (TrainingProgress(), (any Error)?.none)
      progress.step = number
      try save.run(DueSaves(best: false, step: true), progress) { body in
        do { try body() } catch { failure = failure ?? error }
      }
      stalls.append((ContinuousClock.now - start) / .seconds(1))
      try team.together("saving a checkpoint") { if let failure { throw failure } }
      // A run saves far less often than a save takes.
      repeat { try step() } while try team.broadcast(saver?.saver.isBusy ?? false)
    }
    try team.onRoot("saving a checkpoint") { try saver?.saver.finish() }
    guard let saver else { return nil }
    return Figures(
      stallMilliseconds: stalls.reduce(0, +) / Double(saveCount) * 1000,
      backgroundSeconds: saver.saver.backgroundSeconds / Double(saveCount))
  }

  /// Rank 0's saver with a folder of its own.
  private struct Saver {
    let saver: CheckpointSaver
    private let folder: RunFolder
    private let temporary = TemporaryRunFolder()

    init(_ state: ModelState, _ options: CheckpointOptions, _ team: RankTeam) throws {
      folder = try RunFolder(path: temporary.path)
      let store = CheckpointStore(folder: folder.path, keepLast: 1, level: options.level)
      saver = CheckpointSaver(
        folder: folder, store: store, tracker: team.tracker, description: [:], ifSaveFails: .stop,
        log: team.log)
      saver.begin(state) {}
    }

    func removeFolder() {
      try? folder.close()
      try? temporary.remove()
    }
  }
}
