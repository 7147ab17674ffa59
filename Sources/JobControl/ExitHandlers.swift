import RunRecords

// The parts of a run folder that have a last thing to do when an error ends the program.

extension RunLock: ExitHandler {
  package func programEnds(with message: String) {
    // Where the storage fails, the lock is stale as soon as the process has ended.
    try? release()
  }
}

extension RunLog: ExitHandler {}

extension TemporaryRunFolder: ExitHandler {}
