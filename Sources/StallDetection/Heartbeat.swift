import Synchronization

/// The state of this rank, written by its training thread and read by watchdogs.
///
/// One thread enters phases and collective calls; any thread may report a save. A write is a
/// relaxed store to memory that is rarely read: about a nanosecond, without lock and fence. A
/// reader may see a new phase together with the collective call before it, until it reads again.
package final class Heartbeat: @unchecked Sendable {
  private var cells: HeartbeatCells
  private let ownCells: HeartbeatCells

  /// The state of a rank before its first phase.
  package init() {
    ownCells = HeartbeatCells(
      clearing: .allocate(
        byteCount: HeartbeatCells.byteCount, alignment: HeartbeatCells.byteCount))
    cells = ownCells
  }

  deinit { ownCells.deallocate() }

  /// Moves the state to memory that other ranks of the node can read; no other thread may use the
  /// heartbeat meanwhile.
  package func move(to shared: HeartbeatCells) {
    shared.copy(status)
    cells = shared
  }

  /// Moves the state back to memory of this process; no other thread may use the heartbeat
  /// meanwhile.
  package func moveBack() {
    ownCells.copy(status)
    cells = ownCells
  }

  /// Begins a step, counted from 1.
  package func begin(step: Int) {
    cells[.place] = UInt64(step) << 8 | cells[.place] & 0xff
    beat()
  }

  /// Enters a phase.
  @inline(__always)
  package func enter(_ phase: RunPhase) {
    cells[.place] = cells[.place] & ~0xff | UInt64(phase.rawValue)
    beat()
  }

  /// Records progress within a phase.
  @inline(__always)
  package func beat() {
    // Only one thread writes this, so a load and a store suffice, without an atomic addition.
    cells[.progress] &+= 1
  }

  /// Enters a collective call.
  @inline(__always)
  package func enter(_ call: CollectiveCall) {
    cells[.calls] = (cells[.calls] >> 8 &+ 1) << 8 | UInt64(call.rawValue)
    beat()
  }

  /// Leaves the collective call.
  @inline(__always)
  package func leaveCall() {
    cells[.calls] &= ~0xff
    beat()
  }

  /// Records that the rank is about to end after an error; may be called on any thread.
  package func markLeaving() { cells[.isLeaving] = 1 }

  /// Runs a closure that writes a checkpoint and calls ``addSavedBytes(_:)``; on any thread.
  package func whileSaving<Result>(_ body: () throws -> Result) rethrows -> Result {
    // A new save counts as progress, so that its time is measured from its start.
    addSavedBytes(1)
    cells.add(1, to: .savers)
    defer { cells.add(.max, to: .savers) }
    return try body()
  }

  /// Adds bytes of a checkpoint that the storage has accepted; on any thread.
  package func addSavedBytes(_ count: Int) { cells.add(UInt64(count), to: .savedBytes) }

  /// The current state.
  package var status: RankStatus { cells.status }
}

/// The memory of a heartbeat: words that several threads or processes read and write.
package struct HeartbeatCells: @unchecked Sendable {
  package enum Name: Int, CaseIterable {
    /// Step and phase in one word, so that a reader sees both of the same moment.
    case place
    case progress
    /// The number of calls entered and, in the lowest byte, the one that the rank is in.
    case calls
    case savers
    case savedBytes
    case isLeaving
    case process
    case processNamespace
  }

  /// The size in bytes: a cache line, which no other rank writes.
  package static let byteCount = Name.allCases.count * MemoryLayout<UInt64>.stride

  private let words: UnsafeMutablePointer<Atomic<UInt64>>

  /// Clears `byteCount` bytes and uses them as cells.
  package init(clearing memory: UnsafeMutableRawPointer) {
    self.init(memory)
    for index in Name.allCases.indices { (words + index).initialize(to: Atomic(0)) }
  }

  /// Uses memory that another rank has cleared.
  package init(_ memory: UnsafeMutableRawPointer) {
    words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: Name.allCases.count)
  }

  package func deallocate() { words.deallocate() }

  @inline(__always)
  package subscript(name: Name) -> UInt64 {
    get { words[name.rawValue].load(ordering: .relaxed) }
    nonmutating set { words[name.rawValue].store(newValue, ordering: .relaxed) }
  }

  /// Adds atomically; overflow wraps.
  package func add(_ value: UInt64, to name: Name) {
    words[name.rawValue].wrappingAdd(value, ordering: .relaxed)
  }

  /// The status that the cells hold.
  package var status: RankStatus {
    var status = RankStatus()
    let (place, calls) = (self[.place], self[.calls])
    status.step = Int(place >> 8)
    status.phase = RunPhase(rawValue: UInt8(truncatingIfNeeded: place)) ?? .start
    status.progress = self[.progress]
    status.sequence = calls >> 8
    status.call = CollectiveCall(rawValue: UInt8(truncatingIfNeeded: calls))
    status.isSaving = self[.savers] > 0
    status.savedBytes = self[.savedBytes]
    status.isLeaving = self[.isLeaving] != 0
    return status
  }

  /// Copies the progress of another heartbeat.
  fileprivate func copy(_ status: RankStatus) {
    self[.place] = UInt64(status.step) << 8 | UInt64(status.phase.rawValue)
    self[.progress] = status.progress
    self[.calls] = status.sequence << 8
    self[.savedBytes] = status.savedBytes
  }
}
