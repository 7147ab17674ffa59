import DataParallel
import Files
import StallDetection

/// An injected failure: its kind, its place, its rank and its step.
///
/// Written as `kind@phase,rank=K,step=S`, or `kind@write,byte=N,rank=K,step=S` for the moment when
/// N bytes of a checkpoint have been written. It is injected once.
package struct Fault: Sendable, Equatable {
  /// The kind of failure.
  package enum Kind: Sendable, Equatable {
    /// An error is thrown.
    case error
    /// The process ends with exit code 0, without notifying the other ranks.
    case exit
    /// The rank finalizes MPI while the others continue.
    case finalize
    /// The process is stopped.
    case stop
    /// The process is killed.
    case kill
    /// The rank sleeps for a number of seconds.
    case sleep(seconds: Double)
    /// One element of the rank's gradient becomes NaN.
    case notANumber
    /// One bit of a parameter, or of the rank's gradient, is flipped.
    case flip
    /// The process is sent a signal.
    case signal(number: Int32)
  }

  /// The place of a failure.
  package enum Place: Sendable, Equatable {
    /// At the start of a phase; NaN and flipped bits at its end.
    case phase(RunPhase)
    /// When a number of bytes of a checkpoint have been written.
    case write(byte: Int)
  }

  /// The kind of failure.
  package let kind: Kind
  /// The place of a failure.
  package let place: Place
  /// The rank; nil for all of them.
  package let rank: Int?
  /// The step, from 1; nil for the first step in which the place is reached.
  package let step: Int?
}

/// The error of a fault of kind `throw`, which counts as unexpected.
package struct InjectedError: Error, CustomStringConvertible {
  package var description: String { "an injected error" }
}

/// A fault with a syntax error.
package struct FaultSyntaxError: ExplainedError {
  /// The whole argument.
  package let argument: String
  package let reason: String
  package let cure: String

  package var location: String? { "\"\(argument)\"" }

  package var exitStatus: ExitStatus { .usage }
}
