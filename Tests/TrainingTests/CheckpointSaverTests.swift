import Configuration
import DFERCModel
import Dispatch
import Files
import Glibc
import JobControl
import Logging
import RunRecords
import Synchronization
import TensorCore
import TestSupport
import Testing

@testable import Checkpointing
@testable import DataParallel
@testable import Training

@Suite("Saving in the background", .timeLimit(.minutes(2)))
struct CheckpointSaverTests {
  /// A saver in a temporary run folder, with its log.
  private final class Rig {
    let folder: TemporaryFolder
    let run: RunFolder
    let saver: CheckpointSaver
    let store: CheckpointStore
    let best: BestCheckpoint
    let small = SmallState()
    private let lines = Lines()

    private final class Lines: Sendable {
      let text = Mutex("")
    }

    var warnings: Int { lines.text.withLock { $0.components(separatedBy: "warning: ").count - 1 } }

    init(
      _ ifSaveFails: CheckpointOptions.FailurePolicy = .stop,
      afterOperation: @escaping @Sendable (CheckpointStore.Operation) throws -> Void = { _ in },
      synchronize: @escaping CheckpointSaver.Synchronization = {}
    ) throws {
      folder = try TemporaryFolder()
      run = try RunFolder(path: folder.path("run"))
      let terminal = Terminal(isInteractive: false) { [lines] text in
        lines.text.withLock { $0 += text }
      }
      let log = RunLog(rank: 0, terminal: terminal)
      store = CheckpointStore(
        folder: run.path, keepLast: 9, level: 3, afterOperation: afterOperation)
      best = BestCheckpoint(in: store, log: log)
      saver = CheckpointSaver(
        folder: run, store: store, tracker: PhaseTracker(.solo, faults: []),
        description: [
          CheckpointCoding.Key.configuration: RunConfiguration().yaml,
          CheckpointCoding.Key.dataset: "data",
        ], ifSaveFails: ifSaveFails, log: log)
      saver.begin(small.state, synchronizingBy: synchronize)
    }

    func save(best: Bool = false, step: Int) throws {
      var progress = TrainingProgress()
      progress.step = step
      let due = DueSaves(best: best, step: !best)
      guard let snapshot = try saver.prepare(for: due) else { return }
      try small.state.copy(to: snapshot, progress)
      saver.start(due)
    }

    /// Changes every value of the state.
    func train() {
      let optimizer = small.state.optimizer
      for buffer in [
        small.state.parameters.values, optimizer?.firstMoment, optimizer?.secondMoment,
      ].compactMap(\.self) {
        for index in buffer.elements.indices { buffer.elements[index] += 1 }
      }
      small.state.buffers.bytes.bindMemory(to: UInt64.self).indices.forEach {
        small.state.buffers.bytes.bindMemory(to: UInt64.self)[$0] += 1
      }
    }

    /// The hash of the present state in a checkpoint.
    func hash() throws -> String {
      try FileSystem.createDirectory(folder.path("now"))
      let store = CheckpointStore(folder: folder.path("now"), keepLast: 1)
      let snapshot = try small.snapshot(TrainingProgress())
      let draft = try CheckpointCoding.contents(snapshot, description: [:])
      return try withExtendedLifetime(snapshot) {
        try Checkpoint(path: store.save(draft, step: 0)).text("sha256")
      }
    }

    func hash(ofStep step: Int) throws -> String {
      try Checkpoint(path: store.path(ofStep: step)).text("sha256")
    }

    func hashOfBest() throws -> String { try store.best().text("sha256") }

    var temporaryFiles: [String] {
      get throws {
        try (FileSystem.list(run.path) + FileSystem.list(store.stepFolder))
          .filter { $0.hasSuffix(".tmp") }
      }
    }
  }

  private static let full = FileError(path: "x", operation: "write", code: ENOSPC, isOutput: true)

  @Test("Values that change after the copy do not reach the file")
  func copies() throws {
    let gate = DispatchSemaphore(value: 0)
    let rig = try Rig { operation in if operation == .opened { gate.wait() } }
    let expected = try rig.hash()
    try rig.save(step: 1)
    rig.train()
    #expect(try rig.hash() != expected)
    gate.signal()
    try rig.saver.finish()
    #expect(try rig.hash(ofStep: 1) == expected)
  }

  @Test("A save waits for the previous one, and training for neither")
  func waits() throws {
    let gate = DispatchSemaphore(value: 0)
    let rig = try Rig { operation in if operation == .opened { gate.wait() } }
    try rig.save(step: 1)
    #expect(rig.saver.isBusy)
    #expect(try rig.store.steps().isEmpty)
    try rig.saver.checkFailure()
    DispatchQueue.global().asyncAfter(deadline: .now() + 0.1) { gate.signal() }
    rig.train()
    let second = try rig.hash()
    try rig.save(step: 2)  // returns only when the first is done
    #expect(try rig.store.steps() == [1])
    gate.signal()
    try rig.saver.finish()
    #expect(try rig.hash(ofStep: 2) == second)
    #expect(try rig.hash(ofStep: 1) != second)
  }

  @Test("The logs are durable before a checkpoint is renamed")
  func order() throws {
    let events = Mutex([String]())
    let rig = try Rig(
      afterOperation: { operation in
        if operation == .renamed { events.withLock { $0.append("named") } }
      }, synchronize: { events.withLock { $0.append("logs") } })
    try rig.save(step: 1)
    try rig.save(step: 2)
    try rig.saver.finish()
    #expect(events.withLock { $0 } == ["logs", "named", "logs", "named"])
  }

  @Test("No checkpoint is renamed if the logs cannot be made durable")
  func logsFail() throws {
    let rig = try Rig(synchronize: { throw Self.full })
    try rig.save(step: 1)
    #expect { try rig.saver.finish() } throws: { ExitStatus($0) == .storage }
    #expect(try rig.store.steps().isEmpty)
  }

  @Test("With `stop`, a failed save is thrown at the next check and leaves no temporary file")
  func stops() throws {
    let fails = Mutex(false)
    let rig = try Rig { operation in
      if operation == .written, fails.withLock({ $0 }) { throw Self.full }
    }
    try rig.save(step: 1)
    try rig.saver.finish()
    fails.withLock { $0 = true }
    try rig.save(step: 2)
    while rig.saver.isBusy { usleep(1000) }
    #expect { try rig.saver.checkFailure() } throws: { ExitStatus($0) == .storage }
    #expect(try rig.store.steps() == [1])
    #expect(try rig.temporaryFiles.isEmpty)
  }

  @Test("With `continue`, a failed save is a warning, and the next save is retried")
  func continues() throws {
    let failures = Mutex(0)
    let rig = try Rig(.continue) { operation in
      if operation == .written, failures.withLock({ $0 > 0 }) { throw Self.full }
    }
    try rig.save(step: 1)
    _ = try rig.saver.prepare(for: DueSaves(best: false, step: true))
    failures.withLock { $0 = 1 }
    try rig.save(step: 2)
    while rig.saver.isBusy { usleep(1000) }
    try rig.saver.checkFailure()
    #expect(rig.warnings == 1)
    failures.withLock { $0 = 0 }
    try rig.save(step: 3)
    try rig.saver.finish()
    #expect(try rig.store.steps() == [1, 3] && rig.warnings == 1)
    failures.withLock { $0 = 1 }
    try rig.save(step: 4)
    #expect { try rig.saver.finish() } throws: { ExitStatus($0) == .storage }
    #expect(try rig.store.steps() == [1, 3])
    #expect(try rig.temporaryFiles.isEmpty)
  }

  @Test("A best state whose save failed is kept and written by a later save")
  func best() throws {
    let isFull = Mutex(true)
    let rig = try Rig(.continue) { operation in
      if operation == .written, isFull.withLock({ $0 }) { throw Self.full }
    }
    let best = try rig.hash()
    try rig.save(best: true, step: 1)
    rig.train()
    try rig.save(step: 2)  // the best fails again, and its copy is kept
    rig.train()
    #expect(throws: CheckpointError.self) { try rig.saver.finish() }
    isFull.withLock { $0 = false }
    let last = try rig.hash()
    try rig.save(step: 3)
    try rig.saver.finish()
    #expect(try rig.hashOfBest() == best)
    #expect(try rig.hash(ofStep: 3) == last)
    #expect(try rig.store.steps() == [3])
  }

  @Test("Steps are saved while the best cannot be, and a best that remains unwritten is an error")
  func bestAlone() throws {
    let rig = try Rig(.continue)
    let best = try rig.hash()
    // A file cannot replace a folder.
    try FileSystem.createDirectory(rig.store.bestPath)
    try rig.save(best: true, step: 4)
    for step in [4, 8, 12] {
      rig.train()
      try rig.save(step: step)
    }
    #expect { try rig.saver.finish() } throws: { ExitStatus($0) == .storage }
    #expect(try rig.store.steps() == [4, 8, 12])
    #expect(try rig.hash(ofStep: 12) == rig.hash())
    try FileSystem.removeTree(rig.store.bestPath)
    try rig.saver.finish()
    #expect(try rig.hashOfBest() == best)
  }

  @Test("A step whose save failed is saved again with the next checkpoint of any kind")
  func failedStep() throws {
    let fails = Mutex(true)
    let rig = try Rig(.continue) { operation in
      if operation == .written, fails.withLock({ $0 }) { throw Self.full }
    }
    try rig.save(step: 4)
    while rig.saver.isBusy { usleep(1000) }
    fails.withLock { $0 = false }
    rig.train()
    try rig.save(best: true, step: 5)
    try rig.saver.finish()
    #expect(try rig.store.steps() == [5] && rig.hash(ofStep: 5) == rig.hashOfBest())
  }

  @Test("A later best checkpoint of the same run is kept, and one of another run is ignored")
  func adoption() throws {
    func best(_ epoch: Int) -> TrainingProgress.Best {
      TrainingProgress.Best(
        epoch: epoch,
        validation: ClassificationReport(ConfusionMatrix(classCount: 2), emotions: ["a", "b"]))
    }
    func progress(_ step: Int, _ epoch: Int) -> TrainingProgress {
      var progress = TrainingProgress()
      (progress.step, progress.best) = (step, best(epoch))
      return progress
    }
    let rig = try Rig()
    let due = DueSaves(best: true, step: false)
    try rig.small.state.copy(to: try rig.saver.prepare(for: due), progress(12, 2))
    rig.saver.start(due)
    try rig.saver.finish()
    let none = rig.folder.path("none/checkpoints/step-00000008.safetensors.zst")
    let same = RunIdentity(configuration: RunConfiguration(), digest: "data")
    func adopts(_ progress: TrainingProgress, _ identity: RunIdentity) throws -> Bool {
      try rig.best.adopt(for: progress, identity, resumingFrom: none)
    }
    #expect(try adopts(progress(8, 1), same))
    #expect(try adopts(progress(18, 2), same))
    #expect(rig.warnings == 0)
    #expect(try !adopts(progress(18, 3), same))
    #expect(rig.warnings == 1)
    // The best epoch of the resumed checkpoint is accepted, but not a later one of another run.
    var faster = RunConfiguration()
    faster.optimizer.learningRate *= 2
    for other in [
      RunIdentity(configuration: faster, digest: "data"),
      RunIdentity(configuration: RunConfiguration(), digest: "other"),
    ] {
      #expect(try adopts(progress(18, 2), other))
      #expect(try !adopts(progress(8, 1), other))
    }
    // Sharding changes no result.
    var shared = RunConfiguration()
    shared.optimizer.sharded = true
    #expect(try adopts(progress(8, 1), RunIdentity(configuration: shared, digest: "data")))
    #expect(rig.warnings == 3)
    let state = rig.small.state
    #expect(try rig.best.restore(into: state, expecting: best(2)) == best(2))
    #expect(rig.warnings == 3)
    // If the resumed run did not reproduce that epoch, the scores of the file are used.
    #expect(try rig.best.restore(into: state, expecting: best(1)) == best(2))
    #expect(rig.warnings == 4)
  }

  @Test("A damaged best checkpoint is an error and does not silently change the best epoch")
  func damagedBest() throws {
    let rig = try Rig()
    var progress = TrainingProgress()
    progress.best = TrainingProgress.Best(
      epoch: 1,
      validation: ClassificationReport(ConfusionMatrix(classCount: 2), emotions: ["a", "b"]))
    try FileSystem.write("damaged", to: rig.store.bestPath)
    let error = #expect(throws: CheckpointError.self) {
      try rig.best.adopt(
        for: progress, RunIdentity(configuration: RunConfiguration(), digest: "data"),
        resumingFrom: "none/checkpoints/step-00000008.safetensors.zst")
    }
    #expect(try ExitStatus(#require(error)) == .badInput)
    #expect(error?.path == rig.store.bestPath)
    #expect(error?.cure.contains("or remove the file, and the best epoch is chosen anew") == true)
    #expect(rig.warnings == 0)
  }

  @Test("A run folder that was removed ends the run")
  func folderGone() throws {
    let rig = try Rig(.continue)
    try rig.save(step: 1)
    try rig.saver.finish()
    try FileSystem.removeTree(rig.run.path)
    #expect { try rig.save(step: 2) } throws: { ExitStatus($0) == .storage }
    #expect(!FileSystem.exists(rig.run.path))
  }
}

extension ParallelWorld {
  /// A world of one rank without a launcher.
  static var solo: ParallelWorld {
    let share = ProcessorShare.ofSoloProgram(threads: 1, variables: [:])
    return ParallelWorld(SoloCollective(), share, [], nil, nil)
  }
}
