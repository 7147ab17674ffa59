import DataParallel
import Foundation
import StallDetection
import Synchronization

/// Makes the faults of one rank happen, each once.
package final class FaultInjector: Sendable {
  private let pending: Mutex<[Fault]>
  private let poisoned = Mutex<(phase: RunPhase, step: Int)?>(nil)
  // Called by the thread that enters phases, and no other.
  private nonisolated(unsafe) let finish: () throws -> Void

  /// - Parameters:
  ///   - faults: of the command line.
  ///   - rank: this rank, which leaves the others' faults to them.
  ///   - finish: ends the rank in good order, as at the end of a run.
  /// - Returns: nil where nothing is to happen on this rank.
  package init?(_ faults: [Fault], rank: Int, finish: @escaping () throws -> Void) {
    let own = faults.filter { $0.rank == nil || $0.rank == rank }
    guard !own.isEmpty else { return nil }
    pending = Mutex(own)
    self.finish = finish
  }

  /// Lets happen what is to happen when the rank enters a phase.
  package func enter(_ phase: RunPhase, step: Int) throws {
    let fault = take { fault in
      fault.place == .phase(phase) && fault.matches(step) && !fault.changesTensors
    }
    if let fault { try perform(fault.kind) }
  }

  /// Damages what this rank holds at the end of a phase, where that is to happen.
  package func damage(_ values: UnsafeMutableBufferPointer<Float>, in phase: RunPhase, step: Int) {
    poison(values, in: phase, step: step)
    flipBit(of: values, in: phase, step: step)
  }

  /// Makes a value NaN, and again when the step is computed again, as it would be if the cause lay
  /// in the data.
  private func poison(
    _ values: UnsafeMutableBufferPointer<Float>, in phase: RunPhase, step: Int
  ) {
    let isDue = take { fault in
      fault.kind == .notANumber && fault.place == .phase(phase) && fault.matches(step)
    }
    if isDue != nil { poisoned.withLock { $0 = (phase, step) } }
    if poisoned.withLock({ $0.map { $0 == (phase, step) } ?? false }) {
      values[values.count / 2] = .nan
    }
  }

  private func flipBit(
    of values: UnsafeMutableBufferPointer<Float>, in phase: RunPhase, step: Int
  ) {
    let fault = take { $0.kind == .flip && $0.place == .phase(phase) && $0.matches(step) }
    guard fault != nil, let index = values.indices.last(where: { values[$0] != 0 }) else { return }
    values[index] = Float(bitPattern: values[index].bitPattern ^ 1 << 12)
  }

  /// How many of the next bytes of a checkpoint may be written in one piece.
  ///
  /// Lets happen what is to happen at this very byte.
  ///
  /// - Parameters:
  ///   - count: how many bytes come next.
  ///   - offset: how many have been written.
  ///   - step: of the checkpoint.
  package func piece(of count: Int, at offset: Int, step: Int) throws -> Int {
    if let fault = take({ $0.place == .write(byte: offset) && $0.matches(step) }) {
      try perform(fault.kind)
    }
    let next = pending.withLock { faults in
      faults.compactMap { fault -> Int? in
        guard case .write(let byte) = fault.place, byte > offset else { return nil }
        return byte - offset
      }.min()
    }
    return min(count, next ?? count)
  }

  private func take(_ isDue: (Fault) -> Bool) -> Fault? {
    pending.withLock { faults in
      faults.firstIndex(where: isDue).map { faults.remove(at: $0) }
    }
  }

  private func perform(_ kind: Fault.Kind) throws {
    switch kind {
    case .error: throw InjectedError()
    case .exit: _exit(0)
    case .finalize: try finish()
    case .stop: kill(getpid(), SIGSTOP)
    case .kill: kill(getpid(), SIGKILL)
    case .sleep(let seconds): Thread.sleep(forTimeInterval: seconds)
    case .signal(let number): kill(getpid(), number)
    case .notANumber, .flip: preconditionFailure("\(kind) changes tensors, which no phase has")
    }
  }
}

extension Fault {
  /// Whether it is due in a step.
  fileprivate func matches(_ step: Int) -> Bool { self.step == nil || self.step == step }

  /// Whether it happens to tensors rather than to the process.
  fileprivate var changesTensors: Bool { kind == .notANumber || kind == .flip }
}
