import Glibc
import Synchronization

/// A request by signal to stop the run, from a user, a launcher or a batch system.
///
/// SIGUSR1, SIGTERM and SIGINT set a flag, which the run tests where it can stop. A second signal
/// has its default action, so that a run can be ended at once. A copy of the first signal that the
/// launcher forwards does not count as a second one.
package enum StopSignal {
  private static let numbers = [SIGUSR1, SIGTERM, SIGINT]

  /// Installs the handler; to be called before MPI is initialized.
  package static func install() {
    // This also initializes the variables, outside of a handler.
    firstArrival.store(0, ordering: .relaxed)
    firstSender.store(0, ordering: .relaxed)
    var action = sigaction()
    action.__sigaction_handler.sa_sigaction = { number, information, _ in
      receive(number, from: information?.pointee._sifields._kill.si_pid ?? 0)
    }
    action.sa_flags = SA_RESTART | SA_SIGINFO
    sigemptyset(&action.sa_mask)
    // The parent process may have blocked them.
    var caught = sigset_t()
    sigemptyset(&caught)
    for number in numbers {
      let status = sigaction(number, &action, nil)
      precondition(status == 0, "signal \(number) cannot be caught")
      sigaddset(&caught, number)
    }
    pthread_sigmask(SIG_UNBLOCK, &caught, nil)
  }

  /// Whether one of the signals has arrived.
  package static var isRequested: Bool { firstArrival.load(ordering: .relaxed) != 0 }
}

/// The time of the first signal, in nanoseconds of the monotonic clock; 0 before.
private let firstArrival = Atomic<UInt64>(0)

/// The process that sent it; 0 for the kernel, as on behalf of a terminal.
private let firstSender = Atomic<pid_t>(0)

/// The number of nanoseconds in which two deliveries count as one signal.
private let doubledDelivery: UInt64 = 100_000_000

/// The same for a delivery through the launcher: Open MPI forwards SIGTERM after a second.
private let delayedDelivery: UInt64 = 1_500_000_000

/// Records a signal; calls only functions that POSIX allows in a handler.
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
