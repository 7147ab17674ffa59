/// The status of a rank, as its watchdog reads it and sends it to the observers.
package struct RankStatus: Sendable, Equatable {
  /// The current step, from 1; 0 before the first.
  package var step = 0
  /// The phase of the step.
  package var phase = RunPhase.start
  /// Grows with every bit of progress.
  package var progress: UInt64 = 0
  /// The number of collective calls that the rank has entered.
  package var sequence: UInt64 = 0
  /// The collective call that the rank is in; nil outside.
  package var call: CollectiveCall?
  /// Whether a checkpoint is being written, by any thread.
  package var isSaving = false
  /// Grows with every byte that is written to checkpoints.
  package var savedBytes: UInt64 = 0
  /// Whether the rank is about to end after an error.
  package var isLeaving = false

  /// The status of a rank before its first phase.
  package init() {}

  /// Whether the rank waits for others or has finished.
  package var isWaiting: Bool { call != nil || phase == .finish }
}

// MARK: - As a message

extension RankStatus {
  /// The number of words of a message.
  package static let wordCount = 4

  /// The status as a message.
  package var words: [Int64] {
    let place = UInt64(clamping: step) << 8 | UInt64(phase.rawValue)
    let waiting = sequence << 8 | UInt64(call?.rawValue ?? 0)
    let flags: UInt64 = (isSaving ? 1 : 0) | (isLeaving ? 2 : 0)
    return [place, waiting, progress, savedBytes << 2 | flags].map { Int64(bitPattern: $0) }
  }

  /// Reads ``words``; an unknown phase becomes `start`, an unknown call nil.
  package init(words: some Collection<Int64>) {
    precondition(words.count == Self.wordCount, "\(words.count) words are no status")
    let bits = words.map { UInt64(bitPattern: $0) }
    step = Int(bits[0] >> 8)
    phase = RunPhase(rawValue: UInt8(truncatingIfNeeded: bits[0])) ?? .start
    sequence = bits[1] >> 8
    call = CollectiveCall(rawValue: UInt8(truncatingIfNeeded: bits[1]))
    progress = bits[2]
    savedBytes = bits[3] >> 2
    isSaving = bits[3] & 1 != 0
    isLeaving = bits[3] & 2 != 0
  }
}
