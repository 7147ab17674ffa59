import Files
import Foundation
import JobControl
import TestSupport
import Testing

@testable import RunRecords

@Suite("Run folder: lock")
struct RunFolderLockTests {
  /// Fast enough for a test; the ages that are compared are far from both.
  private static let timing = RunLock.Timing(interval: 0.05, limit: 60, settling: 0.01)

  private func write(_ owner: LockOwner, to folder: TemporaryFolder) throws {
    let text = """
      {"host": "\(owner.host)", "pid": \(owner.pid), "started": \(owner.started), \
      "heartbeat": "\(owner.heartbeat.ISO8601Format())"}
      """
    try FileSystem.write(text, to: folder.path("run.lock"))
  }

  private func owner(host: String? = nil, pid: Int32? = nil, age: Double = 0) -> LockOwner {
    let own = LockOwner.current(at: Date())
    return LockOwner(
      host: host ?? own.host, pid: pid ?? own.pid, started: own.started,
      heartbeat: Date(timeIntervalSinceNow: -age))
  }

  private func read(_ folder: TemporaryFolder) throws -> LockOwner {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    let bytes = try FileSystem.readAll(folder.path("run.lock"))
    return try decoder.decode(LockOwner.self, from: Data(bytes))
  }

  @Test("A second job in a live folder is refused with exit code 74")
  func liveFolder() throws {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder.path, timing: Self.timing)
      let error = #expect(throws: RunFolderError.self) {
        try RunLock(folder: folder.path, timing: Self.timing)
      }
      #expect(try ExitStatus(#require(error)) == .storage)
      #expect(
        error?.reason.hasPrefix(
          "process \(ProcessInfo.processInfo.processIdentifier) on \(owner().host) uses this")
          == true)
      try lock.release()
      try RunLock(folder: folder.path, timing: Self.timing).release()
      #expect(!FileSystem.exists(folder.path("run.lock")))
    }
  }

  @Test("A lock of another node is respected while its heartbeat is young")
  func foreignLock() throws {
    try withTemporaryFolder { folder in
      try write(owner(host: "elsewhere", age: 30), to: folder)
      let error = #expect(throws: RunFolderError.self) {
        try RunLock(folder: folder.path, timing: Self.timing)
      }
      #expect(error?.cure.contains("60 s after its last heartbeat") == true)
    }
  }

  @Test("A lock whose heartbeat is too old is taken over")
  func oldHeartbeat() throws {
    try withTemporaryFolder { folder in
      try write(owner(host: "elsewhere", age: 90), to: folder)
      let lock = try RunLock(folder: folder.path, timing: Self.timing)
      #expect(try read(folder).host == owner().host)
      try lock.release()
    }
  }

  @Test("A process of this node that is suspended keeps its lock, however old the heartbeat")
  func suspendedProcess() throws {
    try withTemporaryFolder { folder in
      try write(owner(age: 10_000), to: folder)
      let error = #expect(throws: RunFolderError.self) {
        try RunLock(folder: folder.path, timing: Self.timing)
      }
      #expect(error?.cure == "Choose another --output, or stop that job.")
    }
  }

  @Test("A job whose folder was taken over finds out before its next save, not by its timer")
  func lostBetweenHeartbeats() throws {
    try withTemporaryFolder { folder in
      let slow = RunLock.Timing(interval: 1000, limit: 60, settling: 0.01)
      let lock = try RunLock(folder: folder.path, timing: slow)
      try lock.confirm()
      try write(owner(host: "elsewhere"), to: folder)
      #expect(throws: RunFolderError.self) { try lock.confirm() }
    }
  }

  @Test("A lock of a process that has ended on this node is taken over at once")
  func deadProcess() throws {
    try withTemporaryFolder { folder in
      // No process has this number: the kernel's largest is 4194304.
      try write(owner(pid: 5_000_000), to: folder)
      try RunLock(folder: folder.path, timing: Self.timing).release()
    }
  }

  @Test("A process that was given the number of an ended one does not keep its lock alive")
  func recycledNumber() throws {
    try withTemporaryFolder { folder in
      let own = owner()
      try write(
        LockOwner(
          host: own.host, pid: own.pid, started: own.started + 1, heartbeat: own.heartbeat),
        to: folder)
      try RunLock(folder: folder.path, timing: Self.timing).release()
    }
  }

  @Test("A process that has ended but is still listed does not keep its lock")
  func unaskedExitCode() throws {
    try withTemporaryFolder { folder in
      var pid: pid_t = 0
      let words: [UnsafeMutablePointer<CChar>?] = ["sleep", "0.3"].map { (word: String) in
        strdup(word)
      }
      defer { words.forEach { free($0) } }
      try #require(posix_spawnp(&pid, "sleep", nil, nil, words + [nil], environ) == 0)
      defer { waitpid(pid, nil, 0) }
      func fields() -> [Substring] {
        let text = KernelFile.text("/proc/\(pid)/stat") ?? ""
        return text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
      }
      let started = try #require(UInt64(fields()[20]))
      try write(
        LockOwner(host: owner().host, pid: pid, started: started, heartbeat: Date()), to: folder)
      #expect(throws: RunFolderError.self) {
        try RunLock(folder: folder.path, timing: Self.timing)
      }
      while fields()[1] != "Z" { usleep(10_000) }
      try RunLock(folder: folder.path, timing: Self.timing).release()
    }
  }

  @Test("A lock that was cut off while it was written is taken over")
  func tornLock() throws {
    try withTemporaryFolder { folder in
      try FileSystem.write("{\"host\": ", to: folder.path("run.lock"))
      try RunLock(folder: folder.path, timing: Self.timing).release()
    }
  }

  @Test("The heartbeat is renewed")
  func heartbeat() throws {
    try withTemporaryFolder { folder in
      let old = LockOwner(
        host: owner().host, pid: owner().pid, started: owner().started,
        heartbeat: Date(timeIntervalSinceNow: -1000))
      let lock = try RunLock(folder: folder.path, timing: Self.timing, owner: old)
      #expect(try read(folder).heartbeat < Date(timeIntervalSinceNow: -900))
      try wait { try read(folder).heartbeat > Date(timeIntervalSinceNow: -100) }
      try lock.confirm()
      try lock.release()
    }
  }

  @Test("A job whose folder was taken over finds out and leaves the lock alone")
  func lostLock() throws {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder.path, timing: Self.timing)
      try write(owner(host: "elsewhere"), to: folder)
      try wait {
        do { try lock.confirm() } catch { return true }
        return false
      }
      try lock.release()
      #expect(try read(folder).host == "elsewhere")
    }
  }

  @Test("An error that ends the program, or passes the run by, gives the folder free")
  func earlyEnd() throws {
    try withTemporaryFolder { folder in
      try RunLock(folder: folder.path, timing: Self.timing).programEnds(with: "bad")
      #expect(!FileSystem.exists(folder.path("run.lock")))
      struct Trouble: Error {}
      #expect(throws: Trouble.self) {
        let run = try RunFolder(path: folder.path, timing: Self.timing)
        #expect(FileSystem.exists("\(run.path)/run.lock"))
        throw Trouble()
      }
      #expect(!FileSystem.exists(folder.path("run.lock")))
    }
  }

  @Test("An error never gives the folder of another job free")
  func earlyEndOfAnother() throws {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder.path, timing: Self.timing)
      #expect(throws: RunFolderError.self) {
        try RunFolder(path: folder.path, timing: Self.timing)
      }
      #expect(FileSystem.exists(folder.path("run.lock")))
      try write(owner(host: "elsewhere"), to: folder)
      lock.programEnds(with: "bad")
      #expect(try read(folder).host == "elsewhere")
    }
  }

  /// Waits until a condition holds; five seconds are a hundred heartbeats.
  private func wait(until condition: () throws -> Bool) throws {
    for _ in 0..<500 where try !condition() { Thread.sleep(forTimeInterval: 0.01) }
    #expect(try condition())
  }
}
