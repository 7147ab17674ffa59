import Checkpointing
import Configuration
import JobControl
import RunRecords
import Training

/// Times saves: how long training waits, and how long the checkpoint is written in the background.
///
/// All ranks keep training; rank 0 saves as in a run, into a temporary folder.
struct SaveBenchmark {
  /// The cost of one save.
  struct Figures {
    /// The time in which the state is checked and copied, in milliseconds.
    let stallMilliseconds: Double
    /// The time in which the background thread writes the checkpoint, in seconds.
    let backgroundSeconds: Double
  }

  private static let saveCount = 3

  /// Saves several times, with training steps until each checkpoint is written; collective.
  ///
  /// - Parameters:
  ///   - state: the state of a run that trains.
  ///   - step: performs one training step; collective.
  /// - Returns: the mean figures of a save on rank 0; nil elsewhere.
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
      // In a run, the interval between two saves is longer than a save.
      repeat { try step() } while try team.broadcast(saver?.saver.isBusy ?? false)
    }
    try team.onRoot("saving a checkpoint") { try saver?.saver.finish() }
    guard let saver else { return nil }
    return Figures(
      stallMilliseconds: stalls.reduce(0, +) / Double(saveCount) * 1000,
      backgroundSeconds: saver.saver.backgroundSeconds / Double(saveCount))
  }

  /// The saver of rank 0 with its temporary folder.
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
