import MPIKit

/// Carries the status of every rank to the observers, without ever waiting for anybody.
///
/// Each rank has at most one message under way to each observer: a stopped observer takes none, and
/// a slow one is told the newest status when it has taken the one before. So the traffic is two
/// short messages a rank and period, and nothing piles up.
package final class StatusExchange {
  private let communicator: Communicator
  private var senders: [Sender] = []
  private var receivers: [Receiver] = []
  private var shutdown = Shutdown.notYet
  private let rendezvous = RequestSet()

  private enum Shutdown {
    case notYet
    case lastMessage
    case rendezvous
    case over
  }

  /// Prepares messages; collective over the communicator, which nobody else may use.
  ///
  /// - Parameter observers: the ranks that hear of all others, the same list everywhere.
  package init(over communicator: Communicator, observers: [Int]) throws(MPIError) {
    self.communicator = communicator
    let others = (0..<communicator.size).filter { $0 != communicator.rank }
    senders = others.filter { observers.contains($0) }.map { Sender(to: $0) }
    guard observers.contains(communicator.rank) else { return }
    receivers = others.map { Receiver(from: $0) }
    for receiver in receivers { try receiver.start(communicator) }
  }

  /// Calls `body` for each rank that has said something since the last time.
  package func receive(_ body: (_ rank: Int, _ report: Report) -> Void) throws(MPIError) {
    guard shutdown != .over else { return }
    for receiver in receivers where try receiver.requests.test() {
      body(receiver.source, Report(words: receiver.words))
      try receiver.start(communicator)
    }
  }

  /// Tells the observers what this rank does and sees; who has not taken the message before is left
  /// out.
  ///
  /// - Returns: whether some observer has taken one since the last time.
  package func tell(_ report: Report) throws(MPIError) -> Bool {
    guard shutdown == .notYet else { return false }
    var isTaken = false
    for sender in senders where try sender.requests.test() {
      isTaken = isTaken || sender.hasSent
      try sender.start(report, communicator)
    }
    return isTaken
  }

  /// Goes on towards the end of all messages; every rank has to come to it.
  ///
  /// Each rank says a last word, and when it is taken, that it will say no more. When all have,
  /// nothing is under way any more. Receives go on meanwhile.
  ///
  /// - Returns: whether the end is reached.
  package func advanceShutdown(_ last: Report) throws(MPIError) -> Bool {
    switch shutdown {
    case .notYet:
      guard try areTaken() else { return false }
      for sender in senders { try sender.start(last, communicator) }
      shutdown = .lastMessage
    case .lastMessage:
      guard try areTaken() else { return false }
      try communicator.startBarrier(in: rendezvous)
      shutdown = .rendezvous
    case .rendezvous:
      guard try rendezvous.test() else { return false }
      shutdown = .over
      for receiver in receivers { try receiver.requests.cancel() }
    case .over: break
    }
    return shutdown == .over
  }

  private func areTaken() throws(MPIError) -> Bool {
    for sender in senders where try !sender.requests.test() { return false }
    return true
  }
}

/// What one rank tells the observers.
package struct Report {
  /// What it does.
  package var own: RankStatus
  /// What it sees the next rank of its node do, which may be unable to say so.
  package var neighbour: (rank: Int, status: RankStatus)?

  package static let wordCount = 2 * RankStatus.wordCount + 1

  package var words: [Int64] {
    own.words + [Int64(neighbour?.rank ?? -1)] + (neighbour?.status ?? RankStatus()).words
  }

  package init(own: RankStatus, neighbour: (rank: Int, status: RankStatus)?) {
    self.own = own
    self.neighbour = neighbour
  }

  package init(words: UnsafeMutableBufferPointer<Int64>) {
    own = RankStatus(words: words[..<RankStatus.wordCount])
    let rank = Int(words[RankStatus.wordCount])
    neighbour = rank < 0 ? nil : (rank, RankStatus(words: words[(RankStatus.wordCount + 1)...]))
  }
}

/// The words of one message, where the library can find them until it is done with them.
private class Message {
  let words = UnsafeMutableBufferPointer<Int64>.allocate(capacity: Report.wordCount)
  let requests = RequestSet()
  static let tag: Int32 = 0

  init() { words.initialize(repeating: 0) }

  // Lives as long as the exchange, whose messages are over before it goes.
  deinit { words.deallocate() }
}

private final class Sender: Message {
  let target: Int
  private(set) var hasSent = false

  init(to target: Int) { self.target = target }

  func start(_ report: Report, _ communicator: Communicator) throws(MPIError) {
    _ = words.update(fromContentsOf: report.words)
    hasSent = true
    try communicator.startSynchronousSend(
      UnsafeBufferPointer(words), to: target, tag: Self.tag, in: requests)
  }
}

private final class Receiver: Message {
  let source: Int

  init(from source: Int) { self.source = source }

  func start(_ communicator: Communicator) throws(MPIError) {
    try communicator.startReceive(words, from: source, tag: Self.tag, in: requests)
  }
}
