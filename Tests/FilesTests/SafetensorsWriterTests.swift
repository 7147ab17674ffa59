import TestSupport
import Testing

@testable import Files

@Suite("Safetensors writer")
struct SafetensorsWriterTests {
  /// The content of `PythonVector`, added in an order that is not the file's.
  private static func pythonContent() -> SafetensorsWriter {
    var writer = SafetensorsWriter(metadata: ["note": "tab\t, bell\u{7}, \\ and é"])
    writer.add("flags", type: .bool, shape: [3]) { sink in
      for byte: [UInt8] in [[1], [0], [], [1]] { try byte.withUnsafeBytes(sink) }
    }
    writer.add("weights", [1.5, -2.25, 3, 0.1, .infinity, -0.0] as [Float], shape: [2, 3])
    writer.add("sums", [1.0 / 3, -1e300], shape: [2])
    writer.add("counts", [1, -2, 1 << 62] as [Int64], shape: [3])
    writer.add("half", type: .f16, shape: [1, 3]) { sink in
      try ([0x3800, 0xFBFF, 0x0001] as [UInt16]).withUnsafeBytes(sink)
    }
    writer.add("brain", type: .bf16, shape: [2]) { sink in
      try ([0x3F80, 0xC049] as [UInt16]).withUnsafeBytes(sink)
    }
    writer.add("small", [7, -8] as [Int32], shape: [2])
    writer.add("scalar", [2.5] as [Float], shape: [])
    writer.add("empty", [] as [Float], shape: [0, 3])
    writer.add("ünïcode \"quoted\"\n", type: .u8, shape: [1]) { sink in
      try ([255] as [UInt8]).withUnsafeBytes(sink)
    }
    return writer
  }

  @Test("the bytes are those of the reference implementation")
  func referenceBytes() throws {
    let writer = Self.pythonContent()
    var bytes: [UInt8] = []
    try writer.write { bytes.append(contentsOf: $0) }
    #expect(bytes == PythonVector.bytes)
    #expect(writer.byteCount == bytes.count)
    #expect(writer.dataByteCount == 90)
    var data: [UInt8] = []
    try writer.writeData { data.append(contentsOf: $0) }
    #expect(data == bytes.suffix(90))
  }

  @Test("a file without anything is sound and its data are aligned")
  func empty() throws {
    let file = try SafetensorsFileTests.parse(SafetensorsWriter())
    #expect(file.header.entries.isEmpty && file.header.metadata.isEmpty)
    #expect(file.header.dataStart == 16)
  }

  @Test("metadata of any characters survive, in the order of their keys")
  func metadata() throws {
    let all = String(String.UnicodeScalarView((0..<0x300).compactMap(Unicode.Scalar.init)))
    let metadata = ["z": "1", "a": all, "": "", "😀": "é", "config": "a: b\nc: \"d\"\n"]
    let writer = SafetensorsWriter(metadata: metadata)
    #expect(try SafetensorsFileTests.parse(writer).header.metadata == metadata)
    let text = String(decoding: writer.header().dropFirst(8), as: UTF8.self)
    #expect(text.hasPrefix(#"{"__metadata__":{"":"","a":"\u0000\u0001"#))
  }

  @Test("a failing sink stops the writing with its error, and no file appears")
  func failure() throws {
    struct Stop: Error {}
    var calls = 0
    #expect(throws: Stop.self) {
      try Self.pythonContent().write { _ in
        calls += 1
        if calls == 3 { throw Stop() }
      }
    }
    #expect(calls == 3)
    try withTemporaryFolder { folder in
      var broken = SafetensorsWriter()
      broken.add("a", type: .u8, shape: [1]) { _ in throw Stop() }
      #expect(throws: Stop.self) { try broken.write(toFile: folder.path("a.safetensors")) }
      let names = try FileSystem.list(folder.path)
      #expect(names.isEmpty)
    }
  }

  @Test("a written file is read back")
  func file() throws {
    try withTemporaryFolder { folder in
      let path = folder.path("a.safetensors")
      try Self.pythonContent().write(toFile: path)
      #expect(try FileSystem.readAll(path) == PythonVector.bytes)
    }
  }

  @Test("tensors in memory of the caller are not copied before they are written")
  func borrowed() throws {
    var values: [Float] = [1, 2, 3]
    let file = try values.withUnsafeMutableBufferPointer { buffer in
      var writer = SafetensorsWriter()
      writer.add("a", UnsafeBufferPointer(buffer), shape: [3])
      buffer[1] = 20
      return try SafetensorsFileTests.parse(writer)
    }
    #expect(try file.floats("a") == [1, 20, 3])
  }
}
