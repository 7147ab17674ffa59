import Glibc
import Synchronization

/// The wish of a user, a launcher or a batch system that the run come to an end.
///
/// SIGUSR1, SIGTERM and SIGINT only set a flag, which the run asks for where it can stop in good
/// order. Whoever signals again does not want to wait: the second signal has its default action.
/// What a launcher passes on, of a signal that a batch system has sent to all processes, is no second.
package enum StopSignal {
  private static let numbers = [SIGUSR1, SIGTERM, SIGINT]

  /// Catches the signals from now on; to be called before MPI is started.
  package static func install() {
    // Also initializes the variable here and not inside a handler.
    firstArrival.store(0, ordering: .relaxed)
    firstSender.store(0, ordering: .relaxed)
    var action = sigaction()
    action.__sigaction_handler.sa_sigaction = { number, information, _ in
      receive(number, from: information?.pointee._sifields._kill.si_pid ?? 0)
    }
    action.sa_flags = SA_RESTART | SA_SIGINFO
    sigemptyset(&action.sa_mask)
    // Whoever started this process may have blocked them.
    var caught = sigset_t()
    sigemptyset(&caught)
    for number in numbers {
      let status = sigaction(number, &action, nil)
      precondition(status == 0, "signal \(number) cannot be caught")
      sigaddset(&caught, number)
    }
    pthread_sigmask(SIG_UNBLOCK, &caught, nil)
  }

  /// Whether one of the signals has come to this process.
  package static var isRequested: Bool { firstArrival.load(ordering: .relaxed) != 0 }
}

/// When the first signal came, in nanoseconds of the monotonic clock; 0 before.
private let firstArrival = Atomic<UInt64>(0)

/// The process that sent it; 0 for the kernel, as on behalf of a terminal.
private let firstSender = Atomic<pid_t>(0)

/// The nanoseconds in which a signal that came by two ways still counts as one.
private let doubledDelivery: UInt64 = 100_000_000

/// The same where the second way leads through the launcher: Open MPI passes SIGTERM on after a
/// second.
private let delayedDelivery: UInt64 = 1_500_000_000

/// Notes a signal; calls nothing that POSIX does not allow inside a handler.
private func receive(_ number: Int32, from sender: pid_t) {
  let code = errno
  defer { errno = code }
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  let now =
    UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000
    &+ UInt64(truncatingIfNeeded: time.tv_nsec)
  let (isFirst, first) = firstArrival.compareExchange(
    expected: 0, desired: max(now, 1), ordering: .relaxed)
  if isFirst { return firstSender.store(sender, ordering: .relaxed) }
  let isPassedOn = sender == getppid() && sender != firstSender.load(ordering: .relaxed)
  guard now &- first > (isPassedOn ? delayedDelivery : doubledDelivery) else { return }
  signal(number, SIG_DFL)
  raise(number)
}
