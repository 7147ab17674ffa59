import RunRecords

// The parts of a run folder that are exit handlers.

extension RunLock: ExitHandler {
  package func programEnds(with message: String) {
    // If the storage fails, the lock becomes stale when the process ends.
    try? release()
  }
}

extension RunLog: ExitHandler {}

extension TemporaryRunFolder: ExitHandler {}
