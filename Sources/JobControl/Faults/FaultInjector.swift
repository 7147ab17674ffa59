import DataParallel
import Foundation
import StallDetection
import Synchronization

/// Injects the faults of one rank, each once.
package final class FaultInjector: Sendable {
  private let pending: Mutex<[Fault]>
  private let poisoned = Mutex<(phase: RunPhase, step: Int)?>(nil)
  // Called only by the thread that enters phases.
  private nonisolated(unsafe) let finish: () throws -> Void

  /// - Parameters:
  ///   - faults: the faults of the command line.
  ///   - rank: this rank; faults of other ranks are ignored.
  ///   - finish: ends the rank as at the end of a run.
  /// - Returns: nil if this rank has no faults.
  package init?(_ faults: [Fault], rank: Int, finish: @escaping () throws -> Void) {
    let own = faults.filter { $0.rank == nil || $0.rank == rank }
    guard !own.isEmpty else { return nil }
    pending = Mutex(own)
    self.finish = finish
  }

  /// Injects the fault that is due at the start of a phase.
  package func enter(_ phase: RunPhase, step: Int) throws {
    let fault = take { fault in
      fault.place == .phase(phase) && fault.matches(step) && !fault.changesTensors
    }
    if let fault { try perform(fault.kind) }
  }

  /// Damages the values that a phase of this rank has computed, if that is due.
  package func damage(_ values: UnsafeMutableBufferPointer<Float>, in phase: RunPhase, step: Int) {
    poison(values, in: phase, step: step)
    flipBit(of: values, in: phase, step: step)
  }

  /// Sets a value to NaN, and again when the step is repeated, as if the data were the cause.
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

  /// The number of bytes of a checkpoint to write next, which ends at the next fault.
  ///
  /// Injects the fault that is due at `offset`.
  ///
  /// - Parameters:
  ///   - count: the number of bytes that are to be written.
  ///   - offset: the number of bytes that have been written.
  ///   - step: the step of the checkpoint.
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

  /// Whether it changes tensors rather than the process.
  fileprivate var changesTensors: Bool { kind == .notANumber || kind == .flip }
}
