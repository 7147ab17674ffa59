import DataParallel

/// A failure that a test asks for: what happens, where, on which rank and in which step.
///
/// Written as `kind@phase,rank=K,step=S`, or `kind@write,byte=N,rank=K,step=S` for the moment when
/// N bytes of a checkpoint have been written. It happens once.
public struct Fault: Sendable, Equatable {
  /// What happens.
  public enum Kind: Sendable, Equatable {
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
  public enum Place: Sendable, Equatable {
    /// When a rank enters a phase; NaN and flipped bits come about in it.
    case phase(RunPhase)
    /// When so many bytes of a checkpoint have been written.
    case write(byte: Int)
  }

  /// What happens.
  public let kind: Kind
  /// Where it happens.
  public let place: Place
  /// The rank; nil for all of them.
  public let rank: Int?
  /// The step, from 1; nil for the first time that the place is reached.
  public let step: Int?
}

/// The error of a fault of kind `throw`: one that nobody has foreseen.
struct InjectedError: Error, CustomStringConvertible {
  var description: String { "an injected error" }
}

/// A fault that cannot be read.
public struct FaultSyntaxError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The whole argument.
  public let argument: String
  /// What is wrong, without a full stop.
  public let reason: String
  /// What to write instead, as a whole sentence.
  public let cure: String

  /// The full message.
  public var description: String { "\"\(argument)\": \(reason). \(cure)" }
}
