import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("Files")
struct FilesTests {
  @Test("a file holds what was written, replaced and appended")
  func writing() throws {
    try withTemporaryFolder { folder in
      let path = folder.path("a.txt")
      let writer = try FileWriter(path: path)
      try writer.write("one\n")
      try writer.synchronize()
      try writer.close()
      try writer.close()  // allowed, does nothing
      let appender = try FileWriter(path: path, mode: .append)
      try appender.write("two\n")
      #expect(try FileSystem.readAll(path) == Array("one\ntwo\n".utf8))
      #expect(try FileSystem.byteCount(of: path) == 8)
      try FileSystem.write("three", to: path, atomically: false)
      #expect(try FileSystem.readAll(path) == Array("three".utf8))
    }
  }

  @Test("only one writer can create a file exclusively")
  func exclusive() throws {
    try withTemporaryFolder { folder in
      let path = folder.path("run.lock")
      try FileWriter(path: path, mode: .exclusive).close()
      let error = #expect(throws: FileError.self) {
        try FileWriter(path: path, mode: .exclusive)
      }
      #expect(error?.code == EEXIST)
    }
  }

  @Test("a full device is an error that says so")
  func fullDevice() throws {
    let writer = try FileWriter(path: "/dev/full")
    let error = #expect(throws: FileError.self) { try writer.write("text") }
    #expect(error?.code == ENOSPC && error?.isOutput == true)
    #expect(
      error?.description
        == "write /dev/full: No space left on device. "
        + "Free some space on the device, or choose another folder.")
  }

  @Test("a name that would be cut at a zero byte reaches nothing")
  func zeroByte() throws {
    try withTemporaryFolder { folder in
      try FileSystem.write("x", to: folder.path("file"))
      let path = folder.path("file\0suffix")
      let calls: [() throws -> Void] = [
        { _ = try FileSystem.readAll(path) }, { _ = try FileSystem.byteCount(of: path) },
        { try FileSystem.write("y", to: path, atomically: false) },
        { try FileSystem.remove(path) }, { _ = try FileSystem.list(folder.path + "\0") },
        { try FileSystem.createDirectory(folder.path("new\0")) },
      ]
      for (index, call) in calls.enumerated() {
        let error = #expect(throws: FileError.self, "call \(index)") { try call() }
        #expect(error?.code == EINVAL, "call \(index)")
      }
      #expect(!FileSystem.exists(path) && !FileSystem.isDirectory(folder.path + "\0"))
      #expect(try FileSystem.list(folder.path) == ["file"])
    }
  }

  @Test("a file over the limit is refused before it is read")
  func limit() throws {
    try withTemporaryFolder { folder in
      let path = folder.path("file")
      try FileSystem.write("four", to: path)
      #expect(try FileSystem.readAll(path, limit: 4).count == 4)
      let error = #expect(throws: FileError.self) { try FileSystem.readAll(path, limit: 3) }
      #expect(error?.code == EFBIG)
    }
  }

  @Test("an excerpt is one harmless line of bounded length")
  func excerpts() {
    #expect("ab\n\u{1B}[31m\u{202E}c\u{2028}d".excerpt() == "ab  [31m c d")
    #expect(
      String(repeating: "é", count: 61).excerpt() == String(repeating: "é", count: 60) + "...")
    #expect("sixty".excerpt(limit: 5) == "sixty" && "sixty".excerpt(limit: 4) == "sixt...")
    #expect((1...22).map(String.init).listExcerpt.hasSuffix(", 19, 20 and 2 more"))
    #expect(["a", "b"].listExcerpt == "a, b")
  }

  @Test("a missing file is told from others", arguments: ["missing", "file/below"])
  func missing(name: String) throws {
    try withTemporaryFolder { folder in
      try FileSystem.write("", to: folder.path("file"))
      let path = folder.path(name)
      let error = #expect(throws: FileError.self) { try MappedFile(path: path) }
      #expect(error?.isMissing == true)
      #expect(error?.path == path)
      #expect(throws: FileError.self) { try FileReader(path: path) }
      #expect(throws: FileError.self) { try FileSystem.readAll(path) }
      #expect(!FileSystem.exists(path))
    }
  }

  @Test("what cannot be created is not a missing file", arguments: ["missing/file", "file/below"])
  func cannotBeCreated(name: String) throws {
    try withTemporaryFolder { folder in
      try FileSystem.write("", to: folder.path("file"))
      let path = folder.path(name)
      for attempt in [
        { _ = try FileWriter(path: path) }, { try FileSystem.write("", to: path) },
        { try FileSystem.createDirectory(path, withParents: false) },
        { try FileSystem.rename(folder.path("file"), to: path) },
      ] as [() throws -> Void] {
        let error = #expect(throws: FileError.self) { try attempt() }
        #expect(error?.isOutput == true && error?.isMissing == false)
      }
    }
  }

  @Test("folders, devices and names with a zero byte are not read as files")
  func notAFile() throws {
    try withTemporaryFolder { folder in
      let directory = #expect(throws: FileError.self) { try MappedFile(path: folder.path) }
      #expect(directory?.code == EISDIR && directory?.isMissing == false)
      #expect(throws: FileError.self) { try MappedFile(path: "/dev/null") }
      try FileSystem.write("", to: folder.path("a"))
      #expect(throws: FileError.self) { try FileSystem.readAll(folder.path("a\0b")) }
    }
  }

  @Test("a mapping shows the file, also an empty one, and outlives its name")
  func mapping() throws {
    try withTemporaryFolder { folder in
      let content = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      try FileSystem.write(content, to: folder.path("data"))
      let file = try MappedFile(path: folder.path("data"))
      try FileSystem.write([1, 2, 3], to: folder.path("data"))
      try FileSystem.remove(folder.path("data"))
      #expect(file.bytes.elementsEqual(content))
      try FileSystem.write([], to: folder.path("empty"))
      #expect(try MappedFile(path: folder.path("empty")).bytes.isEmpty)
    }
  }

  @Test("a reader gives the file in pieces, the last one short")
  func reading() throws {
    try withTemporaryFolder { folder in
      let content = (0..<25).map { UInt8($0) }
      try FileSystem.write(content, to: folder.path("data"))
      let reader = try FileReader(path: folder.path("data"))
      #expect(reader.byteCount == 25)
      var found: [UInt8] = []
      var piece = [UInt8](repeating: 0, count: 10)
      for expected in [10, 10, 5, 0] {
        let count = try piece.withUnsafeMutableBytes { try reader.read(into: $0) }
        #expect(count == expected)
        found += piece.prefix(count)
      }
      #expect(found == content)
    }
  }

  @Test("names come sorted by their bytes, and only real failures are errors")
  func listing() throws {
    try withTemporaryFolder { folder in
      for name in ["b", "a", "Z", "é", "10", "9"] {
        try FileSystem.write("", to: folder.path(name))
      }
      #expect(try FileSystem.list(folder.path) == ["10", "9", "Z", "a", "b", "é"])
      #expect(throws: FileError.self) { try FileSystem.list(folder.path("none")) }
    }
  }

  @Test("folders are created with their parents, twice without harm, never over a file")
  func creatingFolders() throws {
    try withTemporaryFolder { folder in
      try FileSystem.createDirectory(folder.path("a/b/c"))
      try FileSystem.createDirectory(folder.path("a/b/c/"))
      #expect(FileSystem.isDirectory(folder.path("a/b/c")))
      try FileSystem.synchronizeDirectory(folder.path("a/b"))
      #expect(throws: FileError.self) {
        try FileSystem.createDirectory(folder.path("x/y"), withParents: false)
      }
      try FileSystem.write("", to: folder.path("file"))
      #expect(throws: FileError.self) { try FileSystem.createDirectory(folder.path("file")) }
    }
  }

  @Test(
    "the parent of a path is what stands before its last slash",
    arguments: [("a/b/c", "a/b"), ("/a", "/"), ("a", "."), ("a/b/", "a/b")])
  func parent(path: String, parent: String) {
    #expect(FileSystem.parent(of: path) == parent)
  }

  @Test("a device has free bytes; a missing path has no device")
  func freeBytes() throws {
    #expect(try FileSystem.freeBytes(at: "/tmp") > 0)
    #expect(throws: FileError.self) { try FileSystem.freeBytes(at: "/none/such") }
  }

  @Test("a replacement that is not committed leaves the old file and nothing else")
  func abandonedReplacement() throws {
    try withTemporaryFolder { folder in
      let path = folder.path("result.json")
      try FileSystem.write("old", to: path)
      do {
        let file = try FileReplacement(of: path)
        try file.writer.write("half")
        #expect(FileSystem.exists(file.temporaryPath))
      }
      #expect(try FileSystem.readAll(path) == Array("old".utf8))
      #expect(try FileSystem.list(folder.path) == ["result.json"])
      try FileSystem.write("new", to: path)
      #expect(try FileSystem.readAll(path) == Array("new".utf8))
      #expect(try FileSystem.list(folder.path) == ["result.json"])
    }
  }

  @Test(
    "temporary names are told from others",
    arguments: [
      ("result.json.4711.tmp", "result.json"), ("a.1.tmp", "a"), ("a.tmp", nil), ("a.x1.tmp", nil),
      (".1.tmp", nil), ("a..tmp", nil), ("a.1.tmp2", nil), ("a.1", nil),
    ])
  func temporaryNames(name: String, final: String?) {
    #expect(FileReplacement.finalName(ofTemporary: name) == final)
  }
}

@Suite("Removing folders")
struct RemoveTreeTests {
  @Test("A tree goes with all that it holds, but nothing that its links point to")
  func tree() throws {
    try withTemporaryFolder { folder in
      try FileSystem.createDirectory(folder.path("tree/a/b"))
      try FileSystem.write("1", to: folder.path("tree/a/b/file"))
      try FileSystem.createDirectory(folder.path("kept"))
      try FileSystem.write("2", to: folder.path("kept/file"))
      try FileManager.default.createSymbolicLink(
        atPath: folder.path("tree/link"), withDestinationPath: folder.path("kept"))
      try FileSystem.removeTree(folder.path("tree"))
      #expect(!FileSystem.exists(folder.path("tree")))
      #expect(FileSystem.exists(folder.path("kept/file")))
    }
  }
}
