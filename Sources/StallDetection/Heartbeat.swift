import Synchronization

/// What this rank is doing, written by the thread that does it and read by watchdogs.
///
/// One thread enters phases and collective calls, any thread may tell of a save. A write is a plain
/// store to memory that is rarely read: a nanosecond, no lock, no fence. A reader may see a phase that
/// began before the collective call it sees was left; it looks again soon.
package final class Heartbeat: @unchecked Sendable {
  private var cells: HeartbeatCells
  private let ownCells: HeartbeatCells

  /// A rank that has done nothing yet.
  package init() {
    ownCells = HeartbeatCells(
      clearing: .allocate(
        byteCount: HeartbeatCells.byteCount, alignment: HeartbeatCells.byteCount))
    cells = ownCells
  }

  deinit { ownCells.deallocate() }

  /// Goes on in memory that the neighbours see; only while no other thread reads or writes.
  package func move(to shared: HeartbeatCells) {
    shared.copy(status)
    cells = shared
  }

  /// Goes on in memory of this process; only while no other thread reads or writes.
  package func moveHome() {
    ownCells.copy(status)
    cells = ownCells
  }

  /// Begins a step, counted from 1.
  package func begin(step: Int) {
    cells[.place] = UInt64(step) << 8 | cells[.place] & 0xff
    beat()
  }

  /// Goes into a phase.
  @inline(__always)
  package func enter(_ phase: RunPhase) {
    cells[.place] = cells[.place] & ~0xff | UInt64(phase.rawValue)
    beat()
  }

  /// Tells that something got done inside a long phase.
  @inline(__always)
  package func beat() {
    // One thread writes this, so a load and a store do, without a locked addition.
    cells[.progress] &+= 1
  }

  /// Goes into a collective call.
  @inline(__always)
  package func enter(_ call: CollectiveCall) {
    cells[.calls] = (cells[.calls] >> 8 &+ 1) << 8 | UInt64(call.rawValue)
    beat()
  }

  /// Comes out of the collective call.
  @inline(__always)
  package func leaveCall() {
    cells[.calls] &= ~0xff
    beat()
  }

  /// Tells that the rank is about to end after an error; on any thread.
  package func leave() { cells[.isLeaving] = 1 }

  /// Runs the writing of a checkpoint, on any thread; ``saved(_:)`` is to be called meanwhile.
  package func whileSaving<Result>(_ body: () throws -> Result) rethrows -> Result {
    // A new save starts with a fresh interval, also where the one before wrote the same bytes.
    saved(1)
    cells.add(1, to: .savers)
    defer { cells.add(.max, to: .savers) }
    return try body()
  }

  /// Tells that bytes of a checkpoint have reached the storage, on any thread.
  package func saved(_ count: Int) { cells.add(UInt64(count), to: .savedBytes) }

  /// What is read out.
  package var status: RankStatus { cells.status }
}

/// The memory of a heartbeat: words that several threads, or processes, read and write.
package struct HeartbeatCells: @unchecked Sendable {
  package enum Name: Int, CaseIterable {
    /// Step and phase together, so that neither is seen with the other's predecessor.
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

  /// A cache line, which no other rank writes.
  package static let byteCount = Name.allCases.count * MemoryLayout<UInt64>.stride

  private let words: UnsafeMutablePointer<Atomic<UInt64>>

  /// Clears `byteCount` bytes and lays the cells over them.
  package init(clearing memory: UnsafeMutableRawPointer) {
    self.init(memory)
    for index in Name.allCases.indices { (words + index).initialize(to: Atomic(0)) }
  }

  /// Lays the cells over memory that another rank has cleared.
  package init(_ memory: UnsafeMutableRawPointer) {
    words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: Name.allCases.count)
  }

  package func deallocate() { words.deallocate() }

  @inline(__always)
  package subscript(name: Name) -> UInt64 {
    get { words[name.rawValue].load(ordering: .relaxed) }
    nonmutating set { words[name.rawValue].store(newValue, ordering: .relaxed) }
  }

  /// Adds where several threads may, and wraps.
  package func add(_ value: UInt64, to name: Name) {
    words[name.rawValue].wrappingAdd(value, ordering: .relaxed)
  }

  /// What the cells say.
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

  /// Takes over what another heartbeat has come to.
  fileprivate func copy(_ status: RankStatus) {
    self[.place] = UInt64(status.step) << 8 | UInt64(status.phase.rawValue)
    self[.progress] = status.progress
    self[.calls] = status.sequence << 8
    self[.savedBytes] = status.savedBytes
  }
}
