import Files
import Glibc

/// The handler of SIGBUS, which the kernel sends for a mapped file that was truncated.
///
/// Datasets are mapped into memory, and the kernel reads a page on its first access. If the file
/// has been truncated meanwhile, or its storage fails, the access raises SIGBUS. The program cannot
/// continue, but it can print the reason.
package enum BusError {
  /// Installs the handler.
  ///
  /// It prints a message and ends the program with the exit code of failed storage. To be called before MPI is initialized, which does not replace an installed handler.
  ///
  /// - Parameter rank: the rank that the message names; nil without a launcher.
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
      // Only functions that POSIX allows in a handler.
      _ = write(STDERR_FILENO, busErrorText.baseAddress, busErrorText.count)
      _exit(ExitStatus.storage.rawValue)
    }
    sigemptyset(&action.sa_mask)
    sigaction(SIGBUS, &action, nil)
  }
}

/// Written once, before the handler can be called, and never freed.
private nonisolated(unsafe) var busErrorText = UnsafeRawBufferPointer(start: nil, count: 0)
