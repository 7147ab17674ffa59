import DataParallel
import Files
import StallDetection

/// A failure that a test asks for: what happens, where, on which rank and in which step.
///
/// Written as `kind@phase,rank=K,step=S`, or `kind@write,byte=N,rank=K,step=S` for the moment when
/// N bytes of a checkpoint have been written. It happens once.
package struct Fault: Sendable, Equatable {
  /// What happens.
  package enum Kind: Sendable, Equatable {
    /// An error is thrown.
    case error
    /// The process ends as if all was done, without a word to the others.
    case exit
    /// The rank ends in good order while the others go on.
    case finalize
    /// The process is stopped.
    case stop
    /// The process is killed.
    case kill
    /// Nothing happens for so many seconds.
    case sleep(seconds: Double)
    /// The gradient that the rank holds becomes NaN in one place.
    case notANumber
    /// One bit of one parameter, or of the gradient that the rank holds, changes.
    case flip
    /// The process gets a signal.
    case signal(number: Int32)
  }

  /// Where it happens.
  package enum Place: Sendable, Equatable {
    /// When a rank enters a phase; NaN and flipped bits come about in it.
    case phase(RunPhase)
    /// When so many bytes of a checkpoint have been written.
    case write(byte: Int)
  }

  /// What happens.
  package let kind: Kind
  /// Where it happens.
  package let place: Place
  /// The rank; nil for all of them.
  package let rank: Int?
  /// The step, from 1; nil for the first time that the place is reached.
  package let step: Int?
}

/// The error of a fault of kind `throw`: one that nobody has foreseen.
package struct InjectedError: Error, CustomStringConvertible {
  package var description: String { "an injected error" }
}

/// A fault that cannot be read.
package struct FaultSyntaxError: ExplainedError {
  /// The whole argument.
  package let argument: String
  package let reason: String
  package let cure: String

  package var location: String? { "\"\(argument)\"" }

  package var exitStatus: ExitStatus { .usage }
}
