import DataParallel
import Glibc
import StallDetection

extension Fault {
  private static let kinds: [(name: String, kind: Kind)] = [
    ("throw", .error), ("exit", .exit), ("finalize", .finalize), ("stop", .stop), ("kill", .kill),
    ("nan", .notANumber), ("flip", .flip),
  ]

  private static let signals: [(name: String, number: Int32)] = [
    ("TERM", SIGTERM), ("INT", SIGINT), ("HUP", SIGHUP), ("USR1", SIGUSR1), ("USR2", SIGUSR2),
    ("CONT", SIGCONT), ("ABRT", SIGABRT), ("SEGV", SIGSEGV),
  ]

  /// The phases in which faults can be injected.
  private static let phases = RunPhase.allCases.filter { $0 != .finish }

  /// Reads `kind@phase,rank=K,step=S`.
  ///
  /// - Throws: ``FaultSyntaxError`` for the first part that is wrong.
  package init(_ argument: String) throws(FaultSyntaxError) {
    var fields = Fields(argument)
    let head = fields.head.split(separator: "@", omittingEmptySubsequences: false)
    guard head.count == 2 else {
      throw fields.error("it does not begin with kind@phase", "Write throw@backward, for example.")
    }
    kind = try Self.kind(String(head[0]), fields)
    if head[1] == "write" {
      place = .write(byte: try fields.takeCount("byte"))
    } else {
      place = .phase(try Self.phase(String(head[1]), fields))
    }
    rank = try fields.takeCountIfPresent("rank")
    step = try fields.takeCountIfPresent("step")
    try fields.requireEmpty()
    try requireMeaning(fields)
  }

  private static func kind(_ text: String, _ fields: Fields) throws(FaultSyntaxError) -> Kind {
    if let known = kinds.first(where: { $0.name == text }) { return known.kind }
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      .map(String.init)
    switch (parts.first, parts.last) {
    case ("sleep", let value?) where parts.count == 2:
      guard let seconds = Double(value), seconds > 0, seconds <= 1e6 else {
        throw fields.error("\(value) is no span of time", "Write seconds, such as sleep:2.5.")
      }
      return .sleep(seconds: seconds)
    case ("signal", let value?) where parts.count == 2:
      guard let signal = signals.first(where: { $0.name == value }) else {
        throw fields.error("there is no signal \(value)", choice(signals.map(\.name)))
      }
      return .signal(number: signal.number)
    default:
      let names = kinds.map(\.name) + ["sleep:SECONDS", "signal:NAME"]
      throw fields.error("there is no kind \(text)", choice(names))
    }
  }

  private static func phase(
    _ text: String, _ fields: Fields
  ) throws(FaultSyntaxError) -> RunPhase {
    guard let phase = phases.first(where: { $0.name == text }) else {
      throw fields.error("there is no phase \(text)", choice(phases.map(\.name) + ["write"]))
    }
    return phase
  }

  /// Throws for a kind that is not possible at its place.
  private func requireMeaning(_ fields: Fields) throws(FaultSyntaxError) {
    switch (kind, place) {
    case (.notANumber, .phase(.backward)), (.notANumber, .phase(.allreduce)),
      (.flip, .phase(.allreduce)), (.flip, .phase(.update)):
      return
    case (.notANumber, _):
      throw fields.error(
        "nan is for the gradient of a step",
        "Write nan@backward, or nan@allreduce for the sum over ranks.")
    case (.finalize, .write):
      throw fields.error("finalize is for the thread that trains", "Write finalize@save.")
    case (.flip, _):
      throw fields.error(
        "flip is for the parameters after a step",
        "Write flip@update, or flip@allreduce for the sum of gradients.")
    default: return
    }
  }

  fileprivate static func choice(_ names: [String]) -> String {
    "Choose one of \(names.joined(separator: ", "))."
  }
}

/// The parts of an argument: the text before the first comma, then `name=value` parts.
private struct Fields {
  let argument: String
  let head: String
  private var values: [(name: String, value: String)] = []

  init(_ argument: String) {
    self.argument = argument
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    head = parts[0]
    values = parts.dropFirst().map { part in
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (String(pair[0]), pair.count == 2 ? String(pair[1]) : "")
    }
  }

  mutating func takeCount(_ name: String) throws(FaultSyntaxError) -> Int {
    guard let count = try takeCountIfPresent(name) else {
      throw error("\(name) is missing", "Add \(name)=N.")
    }
    return count
  }

  mutating func takeCountIfPresent(_ name: String) throws(FaultSyntaxError) -> Int? {
    guard let index = values.firstIndex(where: { $0.name == name }) else { return nil }
    let value = values.remove(at: index).value
    guard let count = Int(value), count >= 0 else {
      throw error("\(name)=\(value) is no whole number", "Write \(name)=N with N of 0 or more.")
    }
    return count
  }

  func requireEmpty() throws(FaultSyntaxError) {
    guard let rest = values.first else { return }
    throw error(
      "\(rest.name.isEmpty ? "an empty part" : rest.name) does not belong here",
      "Write kind@phase,rank=K,step=S or kind@write,byte=N,rank=K,step=S.")
  }

  func error(_ reason: String, _ cure: String) -> FaultSyntaxError {
    FaultSyntaxError(argument: argument, reason: reason, cure: cure)
  }
}
