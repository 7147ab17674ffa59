import MPIKit

/// Sends the status of every rank to the observers, without blocking.
///
/// Each rank has at most one message in transit to each observer: a stopped observer receives none,
/// and a slow one is sent the newest status after it has received the one before. So the traffic is
/// two short messages a rank and period, and no messages pile up.
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

  /// Starts the exchange; collective over the communicator, which must not be used for anything
  /// else.
  ///
  /// - Parameter observers: the ranks that receive the status of all others, the same list on all
  ///   ranks.
  package init(over communicator: Communicator, observers: [Int]) throws(MPIError) {
    self.communicator = communicator
    let others = (0..<communicator.size).filter { $0 != communicator.rank }
    senders = others.filter { observers.contains($0) }.map { Sender(to: $0) }
    guard observers.contains(communicator.rank) else { return }
    receivers = others.map { Receiver(from: $0) }
    for receiver in receivers { try receiver.start(communicator) }
  }

  /// Calls `body` for each rank of which a report has arrived since the last call.
  package func receive(_ body: (_ rank: Int, _ report: Report) -> Void) throws(MPIError) {
    guard shutdown != .over else { return }
    for receiver in receivers where try receiver.requests.test() {
      body(receiver.source, Report(words: receiver.words))
      try receiver.start(communicator)
    }
  }

  /// Sends a report to the observers that have received the previous one.
  ///
  /// - Returns: whether an observer has received a report since the last call.
  package func send(_ report: Report) throws(MPIError) -> Bool {
    guard shutdown == .notYet else { return false }
    var isDelivered = false
    for sender in senders where try sender.requests.test() {
      isDelivered = isDelivered || sender.hasSent
      try sender.start(report, communicator)
    }
    return isDelivered
  }

  /// Advances the shutdown of the exchange; every rank has to call it until it is complete.
  ///
  /// Each rank sends a last report and enters a nonblocking barrier when it has been received.
  /// After the barrier no message is in transit. Receives continue meanwhile.
  ///
  /// - Returns: whether the shutdown is complete.
  package func advanceShutdown(_ last: Report) throws(MPIError) -> Bool {
    switch shutdown {
    case .notYet:
      guard try areDelivered() else { return false }
      for sender in senders { try sender.start(last, communicator) }
      shutdown = .lastMessage
    case .lastMessage:
      guard try areDelivered() else { return false }
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

  private func areDelivered() throws(MPIError) -> Bool {
    for sender in senders where try !sender.requests.test() { return false }
    return true
  }
}

/// The report of a rank to the observers.
package struct Report {
  /// Its own status.
  package var own: RankStatus
  /// The status of the next rank of its node, which may be unable to report it.
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

/// The words of a message, which stay valid until the library has completed it.
private class Message {
  let words = UnsafeMutableBufferPointer<Int64>.allocate(capacity: Report.wordCount)
  let requests = RequestSet()
  static let tag: Int32 = 0

  init() { words.initialize(repeating: 0) }

  // Lives as long as the exchange, which is released after its last message.
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
