import Files
import Glibc

/// The end of a program whose file has been cut short under its hands.
///
/// Datasets stand in memory that the kernel fills from the file when it is touched. Where the file has
/// become shorter meanwhile, or its storage fails, there is nothing to fill it with, and the kernel
/// can only signal. No code can go on from there, but it can say why.
package enum BusError {
  /// Has SIGBUS end the program with a message and the exit code of failed storage; to be called
  /// before MPI is started, which leaves a signal alone that is caught already.
  ///
  /// - Parameter rank: the rank that speaks; nil for a program alone.
  package static func install(rank: Int?) {
    let speaker = rank.map { $0 == 0 ? "" : " (rank \($0))" } ?? ""
    let text = Array(
      """
      dferc-dist\(speaker): a file that is being read was cut short or its storage failed, or memory \
      that ranks share ran out. Look at the dataset, the storage and the room in /dev/shm, then start \
      again (train: with --resume auto).\n
      """.utf8)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
    memory.copyBytes(from: text)
    busErrorText = UnsafeRawBufferPointer(memory)
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in
      // Only what POSIX allows inside a handler.
      _ = write(STDERR_FILENO, busErrorText.baseAddress, busErrorText.count)
      _exit(ExitStatus.storage.rawValue)
    }
    sigemptyset(&action.sa_mask)
    sigaction(SIGBUS, &action, nil)
  }
}

/// Written once, before the handler can be called, and kept for ever.
private nonisolated(unsafe) var busErrorText = UnsafeRawBufferPointer(start: nil, count: 0)
