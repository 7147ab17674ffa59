import Dispatch
import Files
import Foundation
import Synchronization

/// The lock of a run folder, which one job may hold at a time.
///
/// The file `run.lock` names the process and holds a heartbeat that a timer renews. A lock is
/// stale, and taken over, if its process has ended on this node or, on another node, if its
/// heartbeat is too old. `confirm()` detects that another job has taken over the folder while this
/// one was stopped. After an error the lock is released by an exit handler.
package final class RunLock: Sendable {
  /// The times of the heartbeat.
  package struct Timing: Sendable {
    /// The number of seconds between two heartbeats.
    package var interval: Double
    /// The age in seconds at which a lock becomes stale.
    package var limit: Double
    /// The number of seconds after which a job that took over a stale lock checks that it still
    /// holds it.
    package var settling: Double

    /// Ten seconds between heartbeats, stale after a minute.
    package static let standard = Timing(interval: 10, limit: 60, settling: 0.2)
  }

  private let path: String
  private let owner: LockOwner
  private let timing: Timing
  private let state = Mutex(State.free)

  private enum State {
    case free
    case held
    case lost
  }

  /// Acquires the lock of a run folder.
  ///
  /// - Parameters:
  ///   - folder: The run folder, which exists.
  ///   - timing: The times of the heartbeat.
  /// - Throws: `RunFolderError` if another job holds the folder, `FileError` if it cannot be written.
  package convenience init(folder: String, timing: Timing = .standard) throws {
    try self.init(folder: folder, timing: timing, owner: .current(at: Date()))
  }

  package init(folder: String, timing: Timing, owner: LockOwner) throws {
    path = "\(folder)/run.lock"
    self.owner = owner
    self.timing = timing
    try take()
    state.withLock { $0 = .held }
    scheduleHeartbeat()
  }

  /// Checks that this job still holds the lock.
  ///
  /// - Throws: `RunFolderError` if another job has taken it over.
  package func confirm() throws(RunFolderError) {
    let isLost = state.withLock { state in
      if state == .held, let found = Self.read(path), !found.isSameProcess(as: owner) {
        state = .lost
      }
      return state == .lost
    }
    guard isLost else { return }
    throw RunFolderError(
      place: path, reason: "another job has taken this run folder over",
      cure: "Let that job run, or stop it and start this one again with --resume auto.")
  }

  /// Checks that the lock, or the whole folder, has not been removed.
  ///
  /// - Throws: `RunFolderError`.
  package func confirmPresence() throws(RunFolderError) {
    guard !FileSystem.exists(path) else { return }
    throw RunFolderError(
      place: path, reason: "the run folder was removed or its lock was",
      cure: "Bring the folder back, or begin a new run; start it with --resume auto.")
  }

  /// Releases the lock if this job holds it; a second call does nothing.
  ///
  /// - Throws: `FileError` if the lock cannot be removed.
  package func release() throws(FileError) {
    try state.withLock { (state) throws(FileError) in
      guard state == .held else { return }
      state = .free
      if Self.read(path)?.isSameProcess(as: owner) == true { try FileSystem.remove(path) }
    }
  }
}

// MARK: - Taking and keeping

extension RunLock {
  private func take() throws {
    do throws(FileError) {
      let writer = try FileWriter(path: path, mode: .exclusive)
      try writer.write(text(at: owner.heartbeat))
      try writer.close()
    } catch {
      guard error.code == EEXIST else { throw error }
      try takeOver()
    }
  }

  /// Replaces a stale lock; of several jobs that do so at the same time, the last writer keeps it.
  private func takeOver() throws {
    // A lock without content is being written, or its writer died meanwhile.
    var found = Self.read(path)
    for _ in 0..<5 where found == nil {
      Thread.sleep(forTimeInterval: timing.settling)
      found = Self.read(path)
    }
    if let found, !isStale(found) { throw inUse(by: found) }
    try FileSystem.write(text(at: owner.heartbeat), to: path)
    Thread.sleep(forTimeInterval: timing.settling)
    if let now = Self.read(path), !now.isSameProcess(as: owner) { throw inUse(by: now) }
  }

  /// On this node the process can be checked, even a suspended one; on another node only the
  /// heartbeat.
  private func isStale(_ other: LockOwner) -> Bool {
    other.host == owner.host
      ? other.hasEnded(seenFrom: owner.host) : age(of: other) > timing.limit
  }

  private func age(of other: LockOwner) -> Double {
    owner.heartbeat.timeIntervalSince(other.heartbeat)
  }

  private func inUse(by other: LockOwner) -> RunFolderError {
    let age = Int(max(0, age(of: other)))
    return RunFolderError(
      place: path,
      reason: "process \(other.pid) on \(other.host) uses this run folder, "
        + "last heartbeat \(age) s ago",
      cure: "Choose another --output, or stop that job"
        + (other.host == owner.host
          ? "."
          : "; if it is gone already, the folder is free \(Int(timing.limit)) s after its last "
            + "heartbeat."))
  }

  /// Renews the heartbeat periodically until the lock is released, lost or removed.
  private func scheduleHeartbeat() {
    DispatchQueue.global(qos: .utility).asyncAfter(deadline: .now() + timing.interval) {
      [weak self] in
      guard let self, renew() else { return }
      scheduleHeartbeat()
    }
  }

  /// Writes a new heartbeat; an error such as a full disk is ignored, as the next write may
  /// succeed.
  ///
  /// - Returns: Whether the lock is still held.
  private func renew() -> Bool {
    state.withLock { state in
      guard state == .held else { return false }
      if let found = Self.read(path), !found.isSameProcess(as: owner) {
        state = .lost
        return false
      }
      try? FileSystem.write(text(at: Date()), to: path)
      return true
    }
  }

  private func text(at heartbeat: Date) -> String {
    """
    {"host": \(JSONText.string(owner.host)), "pid": \(owner.pid), "started": \(owner.started), \
    "heartbeat": "\(heartbeat.ISO8601Format())"}

    """
  }

  private static func read(_ path: String) -> LockOwner? {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    return (try? FileSystem.readAll(path)).flatMap {
      try? decoder.decode(LockOwner.self, text: $0)
    }
  }
}
