import Files
import Foundation
import TensorCore
import TestSupport
import Testing

@testable import Checkpointing

@Suite("Checkpoint")
struct CheckpointTests {
  private static func read(_ bytes: [UInt8], in folder: TemporaryFolder) throws -> Checkpoint {
    let path = folder.path("read.safetensors.zst")
    try FileSystem.write(bytes, to: path, atomically: false)
    return try Checkpoint(path: path)
  }

  /// The error with which bytes are refused, both by reading and by verifying.
  private static func refusal(_ bytes: [UInt8]) throws -> CheckpointError? {
    try withTemporaryFolder { folder in
      let error = #expect(throws: CheckpointError.self) { try read(bytes, in: folder) }
      let second = #expect(throws: CheckpointError.self) {
        try Checkpoint.verify(path: folder.path("read.safetensors.zst"))
      }
      #expect(error == second)
      #expect(error?.path == folder.path("read.safetensors.zst"))
      return error
    }
  }

  /// The safetensors file inside a sample, after a change to its metadata.
  private static func changedContent(_ change: (inout [String: String]) -> Void) throws -> [UInt8] {
    var file = SafetensorsWriter()
    file.add("a", [1, 2] as [Float], shape: [2])
    let sound = try frame(
      of: {
        var draft = CheckpointContents()
        draft.add("a", [1, 2] as [Float], shape: [2])
        return draft
      }())
    file.metadata = try withTemporaryFolder { try read(sound, in: $0).metadata }
    change(&file.metadata)
    var bytes: [UInt8] = []
    try file.write { bytes.append(contentsOf: $0) }
    return bytes
  }

  @Test("everything that was written comes back with the same bits")
  func roundTrip() throws {
    try withTemporaryFolder { folder in
      let checkpoint = try Self.read(frame(of: sampleDraft(seed: 5)), in: folder)
      let weights = (0..<12).map { Float($0 + 5) / 7 - 0.5 }
      #expect(try checkpoint.tensors.floats("classifier.weight") == weights)
      #expect(try checkpoint.tensors.doubles("prototype_sums") == [1.0 / 3, -1e300, 5])
      #expect(try checkpoint.tensors.integers("counts") == [1, -2, 1 << 62])
      var bias = [Float](repeating: 0, count: 3)
      try bias.withUnsafeMutableBufferPointer {
        try checkpoint.copyFloats("classifier.bias", shape: [3], to: $0)
      }
      #expect(bias == [5, 5, 5])
      #expect(try checkpoint.integer("step") == 5)
      #expect(try checkpoint.text("best") == "0.5")
      #expect(try checkpoint.list("emotions") == ["neutral", "joy, \"great\"", "é"])
      #expect(try checkpoint.text("config") == "data:\n  path: x\n")
      #expect(try checkpoint.text("format") == "dferc-checkpoint")
      #expect(try checkpoint.text("version") == "1")
    }
  }

  @Test("the hash is that of the tensor bytes in file order")
  func hash() throws {
    try withTemporaryFolder { folder in
      // The SHA-256 of the bytes 1 0 0 0 0 0 0 0 0 0 128 63, from `sha256sum`.
      var draft = CheckpointContents()
      draft.add("b", [1] as [Float], shape: [1])
      draft.add("c", [1] as [Int64], shape: [1])
      let checkpoint = try Self.read(frame(of: draft), in: folder)
      #expect(
        try checkpoint.text("sha256")
          == "bd88ae3c5344040592205d705f0e31e6a4dc9bbbc2b9a9e039df27b5206c5110")
    }
  }

  @Test("a file of an earlier build of this version opens")
  func golden() throws {
    let bytes = Array(try #require(Data(base64Encoded: Self.goldenFrame)))
    try withTemporaryFolder { folder in
      let checkpoint = try Self.read(bytes, in: folder)
      #expect(try checkpoint.tensors.floats("classifier.bias") == [7, 7, 7])
      #expect(try checkpoint.integer("step") == 7)
    }
  }

  @Test("a file that is cut after any byte is refused as damaged")
  func truncations() throws {
    let bytes = try frame(of: sampleDraft())
    try withTemporaryFolder { folder in
      for count in 0..<bytes.count {
        let error = #expect(throws: CheckpointError.self, "cut after \(count) bytes") {
          try Self.read(Array(bytes.prefix(count)), in: folder)
        }
        #expect(error?.kind == .damaged, "cut after \(count) bytes: \(String(describing: error))")
      }
    }
    #expect(try Self.refusal(bytes + [0])?.kind == .damaged)
  }

  // Some bits of a zstd frame mean nothing to its decoder, such as the padding of a table: about 10 of
  // 5 800 here. The library passes over them, and what comes out is what was written, which is all
  // that a reader can ask for. Every other flip must be refused, as damage or as another format.
  @Test(
    "a file with any one bit flipped is refused, or still holds the very same content",
    arguments: [1, 3, 19])
  func bitFlips(level: Int) throws {
    var bytes = try frame(of: sampleDraft(), level: level)
    let sound = try content(ofFrame: bytes)
    var harmless = 0
    try withTemporaryFolder { folder in
      for bit in 0..<8 * bytes.count {
        bytes[bit / 8] ^= 1 << (bit % 8)
        do {
          _ = try Self.read(bytes, in: folder)
          harmless += 1
          #expect(try content(ofFrame: bytes) == sound, "bit \(bit)")
        } catch let error as CheckpointError {
          #expect([.damaged, .foreignFormat].contains(error.kind), "bit \(bit): \(error)")
        }
        bytes[bit / 8] ^= 1 << (bit % 8)
      }
    }
    #expect(harmless * 200 < 8 * bytes.count)
  }

  @Test("a flipped bit inside a sound frame is refused where it changes a tensor")
  func contentFlips() throws {
    var content = try Self.changedContent { _ in }
    for bit in 8 * (content.count - 8)..<8 * content.count {
      content[bit / 8] ^= 1 << (bit % 8)
      let error = try Self.refusal(frame(ofContent: content))
      #expect(error?.kind == .damaged && error?.place == "metadata sha256")
      content[bit / 8] ^= 1 << (bit % 8)
    }
  }

  @Test("changed headers inside a sound frame never bring the reader down")
  func headerNoise() throws {
    var content = try Self.changedContent { _ in }
    try withTemporaryFolder { folder in
      for index in 0..<content.count - 8 {
        let byte = content[index]
        for replacement in [0, 0x22, 0x7B, 0x5B, 0x39, 0xFF, byte &+ 1] where replacement != byte {
          content[index] = replacement
          do {
            let checkpoint = try Self.read(frame(ofContent: content), in: folder)
            // A changed letter in a key can leave a sound file, but never one with other numbers.
            #expect(checkpoint.tensors.header.entriesInFileOrder.map(\.shape) == [[2]])
          } catch {
            #expect(error is CheckpointError)
          }
        }
        content[index] = byte
      }
    }
  }

  @Test("what is no checkpoint is refused for what it is")
  func foreign() throws {
    #expect(try Self.refusal([])?.kind == .damaged)
    #expect(try Self.refusal(Array("# notes\n".utf8))?.kind == .foreignFormat)
    #expect(try Self.refusal(Self.changedContent { _ in })?.kind == .foreignFormat)
    for content in ["", "x", "hello, world", "\u{1}\0\0\0\0\0\0\0{"] {
      let error = try Self.refusal(frame(ofContent: Array(content.utf8)))
      #expect(error?.kind == .foreignFormat, "\(content)")
    }
    let bare = try Self.refusal(frame(ofContent: Self.changedContent { $0 = [:] }))
    #expect(bare?.kind == .foreignFormat && bare?.place == "metadata format")
    let other = try Self.refusal(frame(ofContent: Self.changedContent { $0["format"] = "pt" }))
    #expect(other?.kind == .foreignFormat && other?.reason.contains("\"pt\"") == true)
    let newer = try Self.refusal(frame(ofContent: Self.changedContent { $0["version"] = "2" }))
    #expect(newer?.kind == .wrongVersion)
    let unversioned = try Self.refusal(
      frame(ofContent: Self.changedContent { $0["version"] = nil }))
    #expect(unversioned?.kind == .wrongVersion)
    let unhashed = try Self.refusal(frame(ofContent: Self.changedContent { $0["sha256"] = nil }))
    #expect(unhashed?.kind == .damaged && unhashed?.place == "metadata sha256")
  }

  @Test("a missing file is missing, a folder is no checkpoint")
  func missing() throws {
    try withTemporaryFolder { folder in
      let missing = #expect(throws: CheckpointError.self) {
        try Checkpoint(path: folder.path("none"))
      }
      #expect(missing?.kind == .missing)
      let directory = #expect(throws: CheckpointError.self) { try Checkpoint(path: folder.path) }
      #expect(directory?.kind == .foreignFormat)
    }
  }

  @Test("tensors and metadata that do not fit are errors that name them")
  func mismatches() throws {
    try withTemporaryFolder { folder in
      let checkpoint = try Self.read(frame(of: sampleDraft()), in: folder)
      func expect(_ place: String, _ reason: String, _ body: () throws -> Void) {
        let error = #expect(throws: CheckpointError.self) { try body() }
        #expect(error?.kind == .mismatch && error?.place == place && error?.reason == reason)
      }
      expect("tensor none", "it is not there") {
        try checkpoint.require("none", shape: [1])
      }
      expect("tensor counts", "its shape is [3], but [4] is needed") {
        try checkpoint.require("counts", shape: [4])
      }
      expect("tensor counts", "its type is I64, but F32, F16, BF16 or F64 is needed") {
        try checkpoint.requireFloats("counts", shape: [3])
      }
      expect("metadata none", "it is not there") { _ = try checkpoint.text("none") }
      expect("metadata best", "it is \"0.5\", not a whole number") {
        _ = try checkpoint.integer("best")
      }
      expect("metadata step", "it is \"0\", not a list of strings") {
        _ = try checkpoint.list("step")
      }
    }
  }

  @Test(
    "a header of any length is read in as many pieces as it comes", arguments: [1 << 17, 3 << 20])
  func longHeader(byteCount: Int) throws {
    var draft = sampleDraft(seed: 5)
    draft.set("note", text: String(repeating: "x\n", count: byteCount / 2))
    try withTemporaryFolder { folder in
      let checkpoint = try Self.read(frame(of: draft), in: folder)
      #expect(try checkpoint.text("note").utf8.count == byteCount)
      #expect(try checkpoint.tensors.integers("counts") == [1, -2, 1 << 62])
      #expect(try checkpoint.count("step") == 5)
    }
    draft.set("note", text: String(repeating: "x", count: 16 << 20))
    let error = try Self.refusal(frame(of: draft))
    #expect(error?.kind == .foreignFormat && error?.place == "header")
  }

  @Test("a count leaves room to count on", arguments: ["-1", "9007199254740993", "1.0", "", "1e3"])
  func counts(text: String) throws {
    var draft = sampleDraft()
    draft.set("step", text: text)
    try withTemporaryFolder { folder in
      let checkpoint = try Self.read(frame(of: draft), in: folder)
      let error = #expect(throws: CheckpointError.self) { try checkpoint.count("step") }
      #expect(error?.reason == "it is \"\(text)\", not a count")
    }
  }

  @Test("a small file cannot claim a large memory")
  func bomb() throws {
    // 300 MiB of zeros compress to some 30 KiB, which may hold 64 MiB at most.
    let path = "/dev/null"
    var bytes: [UInt8] = []
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    let compressor = try ZstdCompressor(level: 1, contentByteCount: 300 << 20, path: path)
    for _ in 0..<300 {
      try zeros.withUnsafeBytes { try compressor.write($0) { bytes.append(contentsOf: $0) } }
    }
    try compressor.finish { bytes.append(contentsOf: $0) }
    #expect(try Self.refusal(bytes)?.reason.contains("it declares 314572800 bytes") == true)
  }

  /// A checkpoint with `sampleDraft(seed: 7)`, as version 1 wrote it with zstd 1.5.4.
  private static let goldenFrame = """
    KLUv/WSMAR0NAFZYVjlwSdoGcadhqqDoAvggHF9rYCD+RLDfrwhNtpLIvmIjK9OoNLe8mzjaT0ffb90ksjdsF0kk\
    BSAI/TtCAEQARAATr7UuTiIj8Oq8RlhsUx57hfh0jXO1s/XuHFcGy6S2vZYF1+nTJ9XFeXLn8kXG8+lbv+QT06PI\
    biux+60o8okGQEAP3QZ6ngSvjH+nK3kPhBJ8mB4mCUneSs19jeg49j0vxfieAy3k0x8HWkq7842rfCWYnpoITNjf\
    bS0sX3ce8RqhwraPBRJGW0kM7KtbaW0jpoZ0EhqwKDrKO2OXu0pEQvcgr+/NkYtEiKX08/Dpf0lsid6YUvHGp+Nc\
    aewVuPPr99NY+aDk3BcDjgDZg2qowNQig6AWHgyl0BqVQFFBH1gTqAMmoxYFBvpgMspkELRlaM0xoF1AFgUaNAoE\
    euGAo224aK05LMtSqUQar3HvkW5Tk+oXvMc1Ah0AO9PgPGgIMMPNC0KCTzUPKyEsoNMgYkiIOgKrgDMjXIZVqKZR\
    7uZIjA36GxpYI7hmqwmb7QkztWCqs0GyLDTV+gPSCWAIAnGefQ==
    """
}
